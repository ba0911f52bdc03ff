"""Guardrails: agreed before the swap, so that nobody has to be awake after it."""

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, gates, identity, kpi, routing
from app.activation import guardrail_facts, guardrail_measuring
from app.activation.guardrail_said import Said
from app.activation.guardrail_tables import Breach, Guardrail
from app.activation.rules import BadCondition
from app.kit.actor import Actor
from app.kit.canonical import digest as digest_of
from app.kit.page import Rows
from app.kit.refusal import NotFound
from app.kit.revision import require_condition, require_current
from app.platform.db import page

_FIELDS = ("when", "within_minutes", "min_events", "action")


async def _require_answerable(
    session: AsyncSession, point: catalog.DecisionPoint, when: str
) -> None:
    """Refuse a condition that could never be answered here, with each fault and its place."""
    agreed = await kpi.agreements(session, point.tenant_id, point.id)
    found = guardrail_facts.faults(when, [item.key for item in agreed])
    if found:
        raise BadCondition(
            "; ".join(fault.problem for fault in found),
            errors=[
                {name: value for name, value in asdict(fault).items() if value is not None}
                for fault in found
            ],
            filled={"key": point.key},
        )


async def edit_guardrail(
    session: AsyncSession,
    key: str,
    name: str,
    *,
    expected: int | None,
    fields: dict[str, Any] | None,
    reason: str,
    by: Actor,
) -> Guardrail | gates.Change | None:
    """Set a guardrail, or with no ``fields`` remove it; ask for it where monitors are controlled.

    Whoever developed what decides there has no say in what would end that.
    """
    point = await catalog.point_by_key(session, key, by=by, lock=True)
    roles = await gates.roles_at(session, point.id, by=by)
    await identity.require_right(session, by, identity.Action.EDIT_MONITOR, point=key, roles=roles)
    if fields is not None:
        await _require_answerable(session, point, fields["when"])
    found = await _found(session, point, name)
    _require_expected(found, name, expected, removing=fields is None)
    change = await gates.propose(
        session, identity.Governed.MONITOR, f"guardrail {name} of {key}",
        expected=expected, before=_terms(found) if found else None,
        after={
            "point": key, "guardrail": name, "fields": fields,
            "barred": sorted(await _makers(session, point)), "part": "made what decides there",
        },
        scope={"point": key}, reason=reason, by=by,
    )  # fmt: skip
    return change or await _write(session, point, name, found, fields, by=by)


async def apply_guardrail(session: AsyncSession, event: gates.ChangeApproved) -> None:
    """Carry out an approved change of a guardrail."""
    if event.kind != identity.Governed.MONITOR or "guardrail" not in event.after:
        return
    author = await identity.acting(session, event.tenant_id, event.requester_id)
    name, fields = event.after["guardrail"], event.after["fields"]
    point = await catalog.point_by_key(session, event.after["point"], by=author, lock=True)
    found = await _found(session, point, name)
    _require_expected(found, name, event.expected, removing=fields is None)
    await _write(session, point, name, found, fields, by=author)


async def guardrails_at(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> list[Guardrail]:
    """Return the guardrails of a point by name."""
    query = select(Guardrail).filter_by(tenant_id=tenant_id, point_id=point_id)
    return list(await session.scalars(query.order_by(Guardrail.name)))


async def guardrails_asking(session: AsyncSession, asked: kpi.GuardrailsAsking) -> list[str]:
    """Return which guardrails of a point could not be answered without a KPI, by name."""
    agreed = {one.key for one in await kpi.agreements(session, asked.tenant_id, asked.point_id)}
    return [
        rail.name
        for rail in await guardrails_at(session, asked.tenant_id, asked.point_id)
        if guardrail_facts.faults(rail.when, agreed - {asked.key})
        and not guardrail_facts.faults(rail.when, agreed)
    ]


async def guardrails_in_force(
    session: AsyncSession, asked: gates.GuardrailsInForce
) -> dict[UUID, dict[str, str]]:
    """Return a digest of each guardrail by name and point, for what approvals cover."""
    rows = await session.scalars(
        select(Guardrail).where(
            Guardrail.tenant_id == asked.tenant_id, Guardrail.point_id.in_(asked.ids)
        )
    )
    found: dict[UUID, dict[str, str]] = {point_id: {} for point_id in asked.ids}
    for row in rows:
        found[row.point_id][row.name] = digest_of(_terms(row))
    return found


async def guardrail_of(session: AsyncSession, key: str, name: str, *, by: Actor) -> Guardrail:
    """Return a guardrail of a decision point."""
    point = await catalog.point_by_key(session, key, by=by)
    found = await _found(session, point, name)
    if found is None:
        raise NotFound("guardrail", name)
    return found


async def judges_from(session: AsyncSession, rail: Guardrail) -> datetime | None:
    """Return since when a guardrail judges the present champion; nothing where nobody is."""
    said = await _said(session, rail)
    return said.since(rail) if said else None


async def says_now(session: AsyncSession, rail: Guardrail) -> guardrail_measuring.Says | None:
    """Return what a guardrail says of the present champion, were it asked now."""
    said = await _said(session, rail)
    return await guardrail_measuring.says(session, rail, said) if said else None


async def list_guardrails(
    session: AsyncSession, key: str, *, cursor: str | None, limit: int, by: Actor
) -> Rows[Guardrail]:
    """List the guardrails of a decision point by name."""
    point = await catalog.point_by_key(session, key, by=by)
    query = select(Guardrail).filter_by(tenant_id=by.tenant_id, point_id=point.id)
    return await page(session, query, Guardrail.name, cursor=cursor, limit=limit)


async def list_breaches(
    session: AsyncSession, key: str, *, cursor: str | None, limit: int, by: Actor
) -> Rows[Breach]:
    """List what did not hold at a decision point, newest first."""
    point = await catalog.point_by_key(session, key, by=by)
    query = select(Breach).filter_by(tenant_id=by.tenant_id, point_id=point.id)
    return await page(
        session, query, Breach.at, Breach.id, cursor=cursor, limit=limit, newest_first=True
    )


async def _said(session: AsyncSession, rail: Guardrail) -> Said | None:
    seat = await routing.champion_of(session, rail.tenant_id, rail.point_id)
    return await Said.of(session, seat, seat.since) if seat else None


async def _found(
    session: AsyncSession, point: catalog.DecisionPoint, name: str
) -> Guardrail | None:
    return await session.scalar(
        select(Guardrail).filter_by(tenant_id=point.tenant_id, point_id=point.id, name=name)
    )


async def _makers(session: AsyncSession, point: catalog.DecisionPoint) -> set[UUID]:
    champion = await routing.champion_of(session, point.tenant_id, point.id)
    if champion is None:
        return set()
    return set(await gates.makers_of(session, point.tenant_id, {champion.version_id}))


def _require_expected(
    found: Guardrail | None, name: str, expected: int | None, *, removing: bool
) -> None:
    if found is not None:
        require_condition(expected, found.revision)
    elif removing:
        raise NotFound("guardrail", name)
    elif expected is not None:
        require_current(expected, 0)


def _terms(found: Guardrail) -> dict[str, Any]:
    return {name: getattr(found, name) for name in _FIELDS}


async def _write(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    name: str,
    found: Guardrail | None,
    fields: dict[str, Any] | None,
    *,
    by: Actor,
) -> Guardrail | None:
    before = _terms(found) if found else None
    if fields is None:
        await session.delete(found)
        await audit.record(
            session, by, "guardrail.removed", f"point:{point.id}", guardrail=name, before=before
        )
        return None
    if found is None:
        found = Guardrail(tenant_id=point.tenant_id, point_id=point.id, name=name, **fields)
        session.add(found)
    else:
        for field, value in fields.items():
            setattr(found, field, value)
        found.revision += 1
        found.at = func.clock_timestamp()
    await session.flush()
    await session.refresh(found)
    await audit.record(
        session, by, "guardrail.set", f"point:{point.id}",
        guardrail=name, revision=found.revision, before=before, terms=fields,
    )  # fmt: skip
    return found
