"""Timing: how long answers took, and how many there were none of, as applications report it.

By the newest raw events, while they are kept: profiles know neither.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.telemetry.returning import AHEAD, happened
from app.telemetry.tables import RawEvent, Receipt
from app.telemetry.windows import first_id

MOST = 10_000
"""So many of the newest events are looked at, whatever came."""
_QUANTILES = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Timing:
    """What was reported of the newest events. Latencies in ms: nearest ranks, none if nothing."""

    events: int
    unanswered: int
    """Events with neither a score nor a prediction."""
    measured: int
    """Events that said how long the answer took."""
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    over: int
    """Of those that said so, how many took longer than they may."""


async def timing(
    session: AsyncSession,
    tenant_id: UUID,
    series: Sequence[UUID],
    *,
    since: datetime,
    budget_ms: float,
) -> Timing:
    """Return how the newest events of some series since a moment, by their own time, were answered.

    An index leads to them by the decisions' ids, which are in order of time.
    """
    newest = (
        select(RawEvent.latency_ms, Receipt.score, Receipt.prediction)
        .join(
            Receipt,
            (Receipt.tenant_id == RawEvent.tenant_id)
            & (Receipt.decision_id == RawEvent.decision_id)
            & (Receipt.series_id == RawEvent.series_id),
        )
        .where(
            RawEvent.tenant_id == tenant_id,
            RawEvent.series_id.in_(list(series)),
            *happened(since),
            RawEvent.decision_id >= first_id(since - AHEAD),
        )
        .order_by(RawEvent.decision_id.desc())
        .limit(MOST)
        .subquery()
    )
    took = newest.c.latency_ms
    row = (
        await session.execute(
            select(
                func.count(),
                func.count().filter(newest.c.score.is_(None), newest.c.prediction.is_(None)),
                func.count(took),
                *(func.percentile_disc(share).within_group(took) for share in _QUANTILES),
                func.max(took),
                func.count().filter(took > budget_ms),
            ).select_from(newest)
        )
    ).one()
    return Timing(*row)
