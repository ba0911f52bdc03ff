"""Touching: windows are looked at again for what did not come with their own events."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.telemetry.arms import decides
from app.telemetry.events import HOLDOUT
from app.telemetry.tables import Series


def mark(series: Series, hour: int) -> None:
    """Have a series' windows looked at again from an hour on."""
    known = series.touched_hour
    series.touched_hour = hour if known is None else min(known, hour)


async def touch(
    session: AsyncSession,
    tenant_id: UUID,
    point_id: UUID,
    hour: int,
    *,
    version_id: UUID | None = None,
) -> None:
    """Have the windows of a point that hold an hour looked at again, or those of one version."""
    query = select(Series).where(
        Series.tenant_id == tenant_id,
        Series.point_id == point_id,
        decides(),
        Series.arm != HOLDOUT,
    )
    if version_id is not None:
        query = query.where(Series.version_id == version_id)
    # In the order in which windows lock them, too.
    for one in await session.scalars(query.order_by(Series.id).with_for_update()):
        mark(one, hour)
        one.retold_hour = hour if one.retold_hour is None else min(one.retold_hour, hour)
    await session.flush()
