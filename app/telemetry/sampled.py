"""Sampled: rows of events as they were sent, for what no profile knows.

By raw events, while they are kept, and of a share of the units when there are many.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.telemetry.charts import events_over, hour_at
from app.telemetry.returning import PSEUDONYMS, happened, part_of, pseudonym
from app.telemetry.tables import RawEvent

MOST = 40_000
"""Rows that are fetched, about."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """The features of events in equal parts of a time, of a ``share`` of the units."""

    parts: list[list[dict[str, Any]]]
    share: float


async def rows_between(
    session: AsyncSession,
    tenant_id: UUID,
    series: Sequence[UUID],
    *,
    since: datetime,
    until: datetime,
    parts: int,
) -> Sampled:
    """Return the features of a series' events in ``[since, until)``, by events' time."""
    events = await events_over(session, tenant_id, series, hour_at(since), hour_at(until) + 1)
    share = min(1.0, MOST / max(events, 1))
    rows = await session.execute(
        select(part_of(since, until, parts), RawEvent.features)
        .where(
            RawEvent.tenant_id == tenant_id,
            RawEvent.series_id.in_(list(series)),
            *happened(since, until),
            pseudonym() < literal(share * PSEUDONYMS),
        )
        .limit(2 * MOST)
    )
    found: list[list[dict[str, Any]]] = [[] for _ in range(parts)]
    for part, features in rows:
        found[min(int(part), parts - 1)].append(features)
    return Sampled(found, share)
