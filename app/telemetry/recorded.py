"""Recorded traffic: the rows that a decision point's production carried, while they are kept."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.telemetry.arms import decides
from app.telemetry.tables import RawEvent, Series


@dataclass(frozen=True, slots=True)
class Recorded:
    """Rows of production, newest first, and whether there were more."""

    rows: list[dict[str, Any]]
    times: list[datetime]
    more: bool


async def recorded(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, *, days: int, most: int
) -> Recorded:
    """Return what the newest production events of a point carried, whichever version scored them.

    Each decision is one row: what shadows saw is what the decision's own event carried.
    """
    series = select(Series.id).where(
        Series.tenant_id == tenant_id,
        Series.point_id == point_id,
        decides(),
    )
    found = await session.execute(
        select(RawEvent.at, RawEvent.features)
        .where(
            RawEvent.tenant_id == tenant_id,
            RawEvent.series_id.in_(series),
            RawEvent.received_at >= func.now() - timedelta(days=days),
        )
        .order_by(RawEvent.decision_id.desc())
        .limit(most + 1)
    )
    rows = found.all()
    kept = rows[:most]
    return Recorded([row.features for row in kept], [row.at for row in kept], len(rows) > most)
