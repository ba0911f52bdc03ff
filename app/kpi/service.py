from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, gates, identity
from app.kit.actor import Actor
from app.kit.page import Rows
from app.kit.refusal import NotFound
from app.kit.revision import require_condition
from app.kpi import ended, rules
from app.kpi.approved import for_who_asked
from app.kpi.currencies import require_one_currency
from app.kpi.events import KpiWithdrawn
from app.kpi.money import MixedCurrencies
from app.kpi.rules import KpiWatched
from app.kpi.tables import Author, Definition, Terms
from app.platform.db import page
from app.platform.events import Question, ask, publish

TERMS = ("prices", "aggregate", "target", "currency")
NO_TERMS: dict[str, Any] = {
    "prices": None, "aggregate": rules.Aggregate.MEAN, "target": None, "currency": None,
}  # fmt: skip
_OWN = ("name", "formula", "direction", "threshold", "tolerance", "unit")
_SHOWN = ("id", "key", "revision", *_OWN)


@dataclass(frozen=True, slots=True)
class GuardrailsAsking(Question[list[str]]):
    """Which guardrails of a point could not be answered without one of its KPIs, by name."""

    tenant_id: UUID
    point_id: UUID
    key: str


async def edit(
    session: AsyncSession,
    point_key: str,
    key: str,
    *,
    expected: int | None,
    fields: dict[str, Any] | None,
    reason: str,
    by: Actor,
) -> Definition | gates.Change | None:
    """Agree on a KPI, change it or, with no ``fields``, withdraw it.

    Where KPIs are under change control it is asked for.
    """
    point = await catalog.point_by_key(session, point_key, by=by, lock=True)
    roles = await gates.roles_at(session, point.id, by=by)
    await identity.require_right(
        session, by, identity.Action.EDIT_KPI, point=point_key, roles=roles
    )
    found = await _found(session, by.tenant_id, point.id, key)
    if found is not None:
        require_condition(expected, found.revision)
    elif fields is not None:
        ended.require_nothing_edited(key, expected)
    if fields is None:
        await _require_unwatched(session, point, key, found)
    else:
        await require_one_currency(session, point, key, fields, by=by)
    before = await _agreed(session, found) if found else None
    change = await gates.propose(
        session, identity.Governed.KPI, f"kpi {key} of {point_key}",
        expected=expected, before=before,
        after={"point": point_key, "key": key, "fields": fields},
        scope={"point": point_key}, reason=reason, by=by,
    )  # fmt: skip
    if change is not None:
        return change
    if fields is None:
        await withdraw(session, point_key, key, expected=expected, by=by)
        return None
    return await define(session, point_key, key, expected=expected, fields=fields, by=by)


async def apply_kpi(session: AsyncSession, event: gates.ChangeApproved) -> None:
    """Carry out an approved change of a decision point's KPI."""
    if event.kind == identity.Governed.KPI and "point" in event.after:
        author = await identity.acting(session, event.tenant_id, event.requester_id)
        asked = event.after
        place = (session, asked["point"], asked["key"])
        if asked["fields"] is None:
            await withdraw(*place, expected=event.expected, by=author)
            return
        with for_who_asked(event, MixedCurrencies):
            await define(*place, expected=event.expected, fields=asked["fields"], by=author)


async def _found(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, key: str
) -> Definition | None:
    return await session.scalar(
        select(Definition).filter_by(tenant_id=tenant_id, point_id=point_id, key=key)
    )


async def define(
    session: AsyncSession,
    point_key: str,
    key: str,
    *,
    expected: int | None,
    fields: dict[str, Any],
    by: Actor,
) -> Definition:
    """Agree on a KPI for a decision point, or change it."""
    point = await catalog.point_by_key(session, point_key, by=by, lock=True)
    await require_one_currency(session, point, key, fields, by=by)
    found = await _found(session, by.tenant_id, point.id, key)
    stood = await _agreed(session, found) if found else None
    before = None
    own = {name: value for name, value in fields.items() if name not in TERMS}
    if found is None:
        place = (session, by.tenant_id, point.id, key)
        begins = await ended.first_revision(*place, expected=expected)
        found = Definition(
            tenant_id=by.tenant_id, point_id=point.id, key=key, revision=begins, **own
        )
        session.add(found)
    else:
        require_condition(expected, found.revision)
        before = found.threshold
        for field, value in own.items():
            setattr(found, field, value)
        found.revision += 1
    await session.flush()
    terms = {**NO_TERMS, **{name: fields[name] for name in TERMS if name in fields}}
    known = await session.get(Terms, (by.tenant_id, found.id))
    if known is not None:
        for field, value in terms.items():
            setattr(known, field, value)
    elif terms != NO_TERMS:
        session.add(Terms(tenant_id=by.tenant_id, definition_id=found.id, **terms))
    changed = stood is None or stood != await _agreed(session, found)
    await _sign(session, found, changed=changed, by=by)
    await session.flush()
    await session.refresh(found)
    await audit.record(
        session, by, "kpi.agreed", f"point:{point.id}", key=key, before=before, **fields
    )
    return found


async def withdraw(
    session: AsyncSession, point_key: str, key: str, *, expected: int | None, by: Actor
) -> None:
    """Agree on a KPI no longer; its pushed values and what it came to by then stay on record."""
    point = await catalog.point_by_key(session, point_key, by=by, lock=True)
    found = await _found(session, by.tenant_id, point.id, key)
    await _require_unwatched(session, point, key, found)
    assert found is not None  # noqa: S101 - or it was refused
    require_condition(expected, found.revision)
    before = await _agreed(session, found)
    for kind in (Terms, Author):
        own = select(kind).filter_by(tenant_id=by.tenant_id, definition_id=found.id)
        for row in await session.scalars(own):
            await session.delete(row)
    await session.flush()
    await session.delete(found)
    ended.keep(
        session, by.tenant_id, point.id,
        id_=found.id, key=key, revision=found.revision, said=before,
    )  # fmt: skip
    await session.flush()
    await audit.record(session, by, "kpi.withdrawn", f"point:{point.id}", key=key, before=before)
    await publish(
        session, KpiWithdrawn(tenant_id=by.tenant_id, point=point.key, point_id=point.id, key=key)
    )


async def _require_unwatched(
    session: AsyncSession, point: catalog.DecisionPoint, key: str, found: Definition | None
) -> None:
    """Refuse to withdraw a KPI that there is not, or that guardrails could not do without."""
    if found is None:
        raise NotFound(f"KPI of the decision point {point.key}", key)
    watching = await ask(session, GuardrailsAsking(point.tenant_id, point.id, key))
    if watching:
        raise KpiWatched(
            f"Guardrails of {point.key} ask for {key}: {', '.join(watching)}.",
            guardrails=watching,
            filled={"key": point.key, "name": watching[0]},
        )


async def _sign(session: AsyncSession, found: Definition, *, changed: bool, by: Actor) -> None:
    """Remember whose word a KPI is: another figure is who set it's, the same his as well."""
    query = select(Author).filter_by(tenant_id=found.tenant_id, definition_id=found.id)
    known = list(await session.scalars(query))
    if changed:
        for one in known:
            if one.person_id != by.person_id:
                await session.delete(one)
    if by.person_id not in {one.person_id for one in known}:
        key = {"tenant_id": found.tenant_id, "definition_id": found.id}
        session.add(Author(**key, person_id=by.person_id))


async def authors_of(
    session: AsyncSession, tenant_id: UUID, point_id: UUID
) -> dict[str, list[UUID]]:
    """Return whose word each KPI of a point is as it stands, by key; of those that are known."""
    rows = await session.execute(
        select(Definition.key, Author.person_id)
        .join(
            Author,
            (Author.tenant_id == Definition.tenant_id) & (Author.definition_id == Definition.id),
        )
        .where(Definition.tenant_id == tenant_id, Definition.point_id == point_id)
        .order_by(Definition.key, Author.at, Author.person_id)
    )
    found: dict[str, list[UUID]] = {}
    for row in rows:
        found.setdefault(row.key, []).append(row.person_id)
    return found


async def terms_of(
    session: AsyncSession, tenant_id: UUID, agreed: Sequence[Definition]
) -> dict[UUID, dict[str, Any]]:
    """Return what else was agreed about KPIs, of those of which something was."""
    rows = await session.scalars(
        select(Terms).where(
            Terms.tenant_id == tenant_id, Terms.definition_id.in_([one.id for one in agreed])
        )
    )
    return {row.definition_id: {name: getattr(row, name) for name in TERMS} for row in rows}


async def shown(
    session: AsyncSession, tenant_id: UUID, agreed: Sequence[Definition]
) -> list[dict[str, Any]]:
    """Return KPIs with all that was agreed about them."""
    more = await terms_of(session, tenant_id, agreed)
    return [
        {**{name: getattr(row, name) for name in _SHOWN}, **NO_TERMS, **more.get(row.id, {})}
        for row in agreed
    ]


async def _agreed(session: AsyncSession, found: Definition) -> dict[str, Any]:
    (one,) = await shown(session, found.tenant_id, [found])
    return {name: one[name] for name in (*_OWN, *TERMS)}


async def definition_of(
    session: AsyncSession, point_key: str, key: str, *, by: Actor
) -> Definition:
    """Return a KPI of a decision point."""
    point = await catalog.point_by_key(session, point_key, by=by)
    found = await _found(session, by.tenant_id, point.id, key)
    if found is None:
        raise NotFound(f"KPI of the decision point {point_key}", key)
    return found


async def list_definitions(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, *, cursor: str | None, limit: int
) -> Rows[Definition]:
    """Return a page of a decision point's agreed KPIs."""
    query = select(Definition).filter_by(tenant_id=tenant_id, point_id=point_id)
    return await page(session, query, Definition.key, cursor=cursor, limit=limit)
