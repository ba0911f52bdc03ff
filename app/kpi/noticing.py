"""Noticing: KPIs change by what comes another way than a version's own events and outcomes.

A business system reports of a week that is over; of an uplift the other half is what the holdout
brings, and, across points, what the same units bring downstream. What windows said of KPIs by then
is looked at again.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, telemetry
from app.kpi.rules import ATTRIBUTED, Formula
from app.kpi.tables import NOBODY, Definition, Late
from app.platform.db import ALL_TENANTS, Database
from app.platform.rota import for_each

_AT_ONCE = 1000


async def notice(database: Database) -> None:
    """Have windows looked at again whose KPIs may be others by now."""
    async with database.session(ALL_TENANTS) as session:
        rows = await session.execute(select(Late.tenant_id, Late.point_id).distinct())
        pushed = [(tenant_id, point_id) for tenant_id, point_id in rows]
        rows = await session.execute(
            select(Definition.tenant_id, Definition.point_id)
            .where(Definition.formula.in_(ATTRIBUTED))
            .distinct()
        )
        attributed = [(tenant_id, point_id) for tenant_id, point_id in rows]
    await for_each(database, pushed, _take_up)
    await for_each(database, attributed, _compare_again)


def earliest_hours(said: Iterable[tuple[UUID, datetime]]) -> dict[UUID, int]:
    """Return of each version, or of nobody for all, the earliest hour that something is said of."""
    found: dict[UUID, int] = {}
    for version_id, at in said:
        hour = telemetry.hour_at(at)
        found[version_id] = min(hour, found.get(version_id, hour))
    return found


async def _take_up(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> None:
    """Touch what was reported of at a point since the last look."""
    oldest = (
        select(Late.id)
        .filter_by(tenant_id=tenant_id, point_id=point_id)
        .order_by(Late.id)
        .limit(_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    rows = await session.execute(
        delete(Late)
        .where(Late.tenant_id == tenant_id, Late.id.in_(oldest))
        .returning(Late.version_id, Late.hour)
    )
    earliest: dict[UUID, int] = {}
    for version_id, hour in rows:
        earliest[version_id] = min(hour, earliest.get(version_id, hour))
    for version_id, hour in earliest.items():
        whose = None if version_id == NOBODY else version_id
        await telemetry.touch(session, tenant_id, point_id, hour, version_id=whose)


async def _compare_again(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> None:
    """Touch who is compared at a point with what has changed: the holdout, or points downstream."""
    formulas = set(
        await session.scalars(
            select(Definition.formula).filter_by(tenant_id=tenant_id, point_id=point_id)
        )
    )
    compared = telemetry.Series.arm == telemetry.HOLDOUT
    places = {point_id}
    if Formula.UPLIFT_ACROSS in formulas:
        point = await catalog.point_by_id(session, tenant_id, point_id)
        places |= {one.id for one in await catalog.downstream_of(session, point)}
        compared |= telemetry.Series.point_id != point_id
    hour = await session.scalar(
        select(func.min(telemetry.Series.touched_hour)).where(
            telemetry.Series.tenant_id == tenant_id,
            telemetry.Series.point_id.in_(places),
            telemetry.Series.through.is_not(None),
            telemetry.decides(),
            compared,
        )
    )
    if hour is not None:
        await telemetry.touch(session, tenant_id, point_id, hour)
