from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, gates, identity, telemetry
from app.kit.actor import Actor
from app.kit.canonical import digest as digest_of
from app.kit.page import Rows
from app.kit.revision import require_condition
from app.kpi import rules
from app.kpi.tables import Definition
from app.platform.db import page


@dataclass(frozen=True, slots=True)
class Measured:
    """A KPI's value over a window, against what was agreed."""

    key: str
    name: str
    unit: str
    value: float | None
    direction: str
    threshold: float
    tolerance: float
    missed: bool
    outcomes: int


async def edit(
    session: AsyncSession,
    point_key: str,
    key: str,
    *,
    expected: int | None,
    fields: dict[str, Any],
    reason: str,
    by: Actor,
) -> Definition | gates.Change:
    """Agree on a KPI or change it, or ask for it where KPIs are under change control."""
    point = await catalog.point_by_key(session, point_key, by=by, lock=True)
    roles = await gates.roles_at(session, point.id, by=by)
    await identity.require_right(
        session, by, identity.Action.EDIT_KPI, point=point_key, roles=roles
    )
    found = await _found(session, by.tenant_id, point.id, key)
    if found is not None:
        require_condition(expected, found.revision)
    before = {name: getattr(found, name) for name in fields} if found else None
    change = await gates.propose(
        session, identity.Governed.KPI, f"kpi {key} of {point_key}",
        expected=expected, before=before,
        after={"point": point_key, "key": key, "fields": fields},
        scope={"point": point_key}, reason=reason, by=by,
    )  # fmt: skip
    return change or await define(session, point_key, key, expected=expected, fields=fields, by=by)


async def apply_kpi(session: AsyncSession, event: gates.ChangeApproved) -> None:
    """Carry out an approved change of a KPI."""
    if event.kind == identity.Governed.KPI:
        author = await identity.acting(session, event.tenant_id, event.requester_id)
        asked = event.after
        await define(
            session, asked["point"], asked["key"],
            expected=event.expected, fields=asked["fields"], by=author,
        )  # fmt: skip


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
    found = await _found(session, by.tenant_id, point.id, key)
    before = None
    if found is None:
        found = Definition(tenant_id=by.tenant_id, point_id=point.id, key=key, **fields)
        session.add(found)
    else:
        require_condition(expected, found.revision)
        before = found.threshold
        for field, value in fields.items():
            setattr(found, field, value)
        found.revision += 1
    await session.flush()
    await session.refresh(found)
    await audit.record(
        session, by, "kpi.agreed", f"point:{point.id}", key=key, before=before, **fields
    )
    return found


async def definitions(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> list[Definition]:
    """Return a decision point's agreed KPIs."""
    rows = await session.scalars(
        select(Definition)
        .filter_by(tenant_id=tenant_id, point_id=point_id)
        .order_by(Definition.key)
    )
    return list(rows)


async def kpis_in_force(session: AsyncSession, asked: gates.KpisInForce) -> dict[UUID, str]:
    """Return a digest over what each point agreed on, for what approvals cover."""
    rows = await session.scalars(
        select(Definition).where(
            Definition.tenant_id == asked.tenant_id, Definition.point_id.in_(asked.ids)
        )
    )
    terms: dict[UUID, dict[str, Any]] = defaultdict(dict)
    for row in rows:
        agreed = [row.formula, row.direction, row.threshold, row.tolerance, row.unit]
        terms[row.point_id][row.key] = agreed
    return {point_id: digest_of(found) for point_id, found in terms.items()}


async def list_definitions(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, *, cursor: str | None, limit: int
) -> Rows[Definition]:
    """Return a page of a decision point's agreed KPIs."""
    query = select(Definition).filter_by(tenant_id=tenant_id, point_id=point_id)
    return await page(session, query, Definition.key, cursor=cursor, limit=limit)


async def measure(
    session: AsyncSession,
    tenant_id: UUID,
    point_id: UUID,
    version_id: UUID,
    *,
    rehearsed: bool = False,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Measured]:
    """Measure every KPI of a point on one version's decisions in ``[since, until)``."""
    agreed = await definitions(session, tenant_id, point_id)
    traffic = await telemetry.traffic(session, tenant_id, point_id, version_id, rehearsed=rehearsed)
    done = await telemetry.outcomes(session, tenant_id, traffic.series, since=since, until=until)
    found = []
    for item in agreed:
        value = rules.value(item.formula, done)
        found.append(
            Measured(
                key=item.key,
                name=item.name,
                unit=item.unit,
                value=value,
                direction=item.direction,
                threshold=item.threshold,
                tolerance=item.tolerance,
                missed=rules.missed(value, item.direction, item.threshold, item.tolerance),
                outcomes=done.labelled if item.formula is rules.Formula.ACCURACY else done.rewarded,
            )
        )
    return found
