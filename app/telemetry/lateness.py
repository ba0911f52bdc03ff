"""Lateness: what came after a decision's time was over, taken out of what its hour holds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.telemetry.tables import Outcome, RawEvent
from app.telemetry.windows import Hour, first_id


async def in_time(
    session: AsyncSession,
    tenant_id: UUID,
    hours: Mapping[UUID, Sequence[Hour]],
    *,
    since: datetime,
    waits: timedelta,
) -> dict[UUID, list[Hour]]:
    """Return series' hours without the rewards of outcomes later than ``waits`` after decisions.

    By the time that the outcome bears, whenever it was sent. Of decisions since a moment.
    """
    hour = cast(func.floor(func.extract("epoch", RawEvent.at) / 3600), Integer)
    rows = await session.execute(
        select(
            RawEvent.series_id,
            hour,
            func.count(),
            func.sum(Outcome.reward),
            func.sum(Outcome.reward * Outcome.reward),
            func.count().filter(Outcome.reward > 0),
        )
        .join(
            Outcome,
            (Outcome.tenant_id == RawEvent.tenant_id)
            & (Outcome.decision_id == RawEvent.decision_id)
            & (Outcome.at > RawEvent.decided_at + waits),
        )
        .where(
            RawEvent.tenant_id == tenant_id,
            RawEvent.decision_id >= first_id(since),
            RawEvent.series_id.in_(list(hours)),
            Outcome.reward.is_not(None),
        )
        .group_by(RawEvent.series_id, hour)
    )
    late: dict[tuple[UUID, int], Sequence[Any]] = {(row[0], row[1]): tuple(row) for row in rows}
    return {
        series_id: [
            _without(one, late[series_id, one.hour]) if (series_id, one.hour) in late else one
            for one in known
        ]
        for series_id, known in hours.items()
    }


def _without(hour: Hour, late: Sequence[Any]) -> Hour:
    _, _, rewarded, reward, squares, successes = late
    known = hour.performance
    return replace(
        hour,
        performance=replace(
            known,
            rewarded=known.rewarded - rewarded,
            reward=known.reward - reward,
            reward_squared=max(known.reward_squared - squares, 0.0),
            conversions=known.conversions - successes,
        ),
    )
