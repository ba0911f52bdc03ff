"""Planned: which arms and versions a decision point has, whether they were asked yet or not."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import drift
from app.routing import service
from app.routing.arms import CHAMPION
from app.routing.diversion import FALLBACK
from app.routing.tables import Seat
from app.telemetry import SHADOW_PREFIX


async def planned(session: AsyncSession, asked: drift.Planning) -> drift.Planned:
    """Return the arms that a point's plan has, shadows' too, and the versions that sit there."""
    plan = (await service.plans_of(session, asked.tenant_id, [asked.point_id])).get(asked.point_id)
    arms = {CHAMPION, FALLBACK}
    if plan is not None:
        arms |= {one.name for part in plan.segments for one in part.strategy.written()}
        arms |= {f"{SHADOW_PREFIX}{shadow.name}" for shadow in plan.shadows}
    query = select(Seat.version_id).filter_by(
        tenant_id=asked.tenant_id, point_id=asked.point_id, until=None
    )
    return drift.Planned(frozenset(arms), frozenset(await session.scalars(query)))
