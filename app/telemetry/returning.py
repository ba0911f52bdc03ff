"""Returning: how much units that come again make of what is seen of a series.

Rewards of one unit resemble each other, and a unit that comes daily brings its own forty times. How
far a mean may be off is said by the spread of the units' sums, and not of the rewards: the ratio of
the two is Kish's design effect.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Double, Integer, cast, func, literal, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from app.telemetry.tables import Outcome, RawEvent
from app.telemetry.windows import first_id

SAMPLED = 300_000
"""So many events are looked at, of units that were chosen by their pseudonyms…"""
_SCANNED = 3_000_000
"""…among so many, the newest."""
PSEUDONYMS = 1 << 16
AHEAD = timedelta(days=1)
"""More than an event's time may lie ahead of its receipt: days before are not looked at."""


def pseudonym() -> ColumnElement[int]:
    """Return the number by which units are sampled: a hash's first two bytes."""
    first: ColumnElement[int] = func.get_byte(RawEvent.unit, 0)
    return first * 256 + func.get_byte(RawEvent.unit, 1)


def happened(since: datetime, until: datetime | None = None) -> tuple[ColumnElement[bool], ...]:
    """Return what holds of raw events of ``[since, until)``; days before it are not read."""
    ended = () if until is None else (RawEvent.at < until,)
    return RawEvent.at >= since, *ended, RawEvent.received_at >= since - AHEAD


def part_of(since: datetime, until: datetime, parts: int) -> ColumnElement[Any]:
    """Return in which of equal parts of ``[since, until)`` a raw event happened, from 0 on."""
    seconds = (until - since).total_seconds() / parts
    return func.floor(func.extract("epoch", RawEvent.at - since) / seconds)


@dataclass(frozen=True, slots=True)
class Returning:
    """A series' units, a share of them all, with the sums of what each has earned."""

    units: int
    share: float
    rewards: float
    total: float
    squares: float
    """Of the rewards."""
    of_units: float
    """The squared residuals of the units' sums from what their number would earn on average."""

    @property
    def design_effect(self) -> float:
        """How many rewards say as much as one of units that come once; at least 1."""
        if not self.rewards:
            return 1.0
        spread = self.squares - self.total**2 / self.rewards
        return max(self.of_units / spread, 1.0) if spread > 0 else 1.0


async def returning_of(
    session: AsyncSession,
    tenant_id: UUID,
    series: Sequence[UUID],
    *,
    since: datetime,
    until: datetime,
    events: int,
    binary: bool,
    waits: timedelta,
) -> dict[UUID, Returning]:
    """Return how units came again to series in ``[since, until)``, where there were some events.

    A ``binary`` reward is a success or none. Who ``waits`` counts those that brought none by then
    as having earned 0.
    """
    if events > _SCANNED:
        since = until - (until - since) * (_SCANNED / events)
    share = min(1.0, SAMPLED / max(min(events, _SCANNED), 1))
    earned = cast(Outcome.reward > 0, Integer()) if binary else Outcome.reward
    reward: ColumnElement[float] = cast(func.coalesce(earned, 0) if waits else earned, Double())
    a_unit = (
        select(
            RawEvent.series_id,
            func.count(reward).label("n"),
            func.coalesce(func.sum(reward), 0.0).label("s"),
            func.coalesce(func.sum(reward * reward), 0.0).label("q"),
        )
        .outerjoin(
            Outcome,
            (Outcome.tenant_id == RawEvent.tenant_id)
            & (Outcome.decision_id == RawEvent.decision_id)
            & ((Outcome.at <= RawEvent.decided_at + waits) if waits else true()),
        )
        .where(
            RawEvent.tenant_id == tenant_id,
            RawEvent.decision_id >= first_id(since),
            RawEvent.decision_id < first_id(until),
            RawEvent.series_id.in_(series),
            pseudonym() < literal(share * PSEUDONYMS),
        )
        .group_by(RawEvent.series_id, RawEvent.unit)
        .subquery()
    )
    n: ColumnElement[float] = cast(a_unit.c.n, Double())
    s = a_unit.c.s
    rows = await session.execute(
        select(
            a_unit.c.series_id, func.count(), func.sum(n), func.sum(s), func.sum(a_unit.c.q),
            func.sum(s * s), func.sum(s * n), func.sum(n * n),
        ).group_by(a_unit.c.series_id)
    )  # fmt: skip
    found = {}
    for series_id, units, rewards, total, squares, ss, sn, nn in rows:
        mean = total / rewards if rewards else 0.0
        residuals = ss - 2 * mean * sn + mean**2 * nn
        found[series_id] = Returning(units, share, rewards, total, squares, residuals)
    return found
