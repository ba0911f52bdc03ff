"""Reading: what the outcomes of a scope's points say, summed over whole spans of hours.

Profiles are read point by point, so that no more than one point's hours are in memory; what it
costs is points × hours, whatever number of decisions there was.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import telemetry
from app.kit.refusal import Invalid
from app.telemetry import Performance, ProfileKind, Series, Tally

MOST_HOURS = 50_000
"""So many hours of series are read for one answer: ten points of two versions over ninety days."""


class TooMuchToMeasure(Invalid):
    """More hours would have to be read than one answer may take."""

    code = "too_much_to_measure"
    title = "Too much for one answer"
    mend = "Narrow `since` and `until`, or widen `bucket_hours`; fewer points reach further back."


class Span(NamedTuple):
    """Hours since 1970, the last one not among them."""

    first: int
    last: int

    @property
    def before(self) -> "Span":
        """The time before, of the same length; there was none before 1970."""
        return Span(max(2 * self.first - self.last, 0), max(self.first, 0))


@dataclass(frozen=True, slots=True)
class Read:
    """What outcomes say of a span: of all points together, and of each by its key."""

    whole: Performance
    points: Mapping[str, Performance]


@dataclass(slots=True)
class Group:
    """Spans that are read together, and how many hours of series that is."""

    spans: list[Span]
    hours: int


async def affordable(
    session: AsyncSession,
    tenant_id: UUID,
    points: Mapping[str, UUID],
    asked: Collection[tuple[Span, ...]],
    *,
    most: int = MOST_HOURS,
) -> tuple[list[list[Span]], dict[tuple[Span, ...], int]]:
    """Return what can be read of what is asked, put together, and how many hours the rest is of.

    The narrowest comes first, so that what is too wide keeps nothing else from being said.
    """
    ids = [
        one
        for some in (await live_series(session, tenant_id, points.values())).values()
        for one in some
    ]

    async def hours(spans: Sequence[Span]) -> int:
        first, last = min(one.first for one in spans), max(one.last for one in spans)
        return await telemetry.hours_between(
            session, tenant_id, ids, ProfileKind.OUTCOMES, first, last
        )

    every = sorted({span for spans in asked for span in spans})
    if not every or await hours(every) <= most:
        return [every], {}
    groups: list[Group] = []
    refused: dict[tuple[Span, ...], int] = {}
    for spans in sorted(asked, key=lambda one: (one[0].last - one[0].first, one)):
        alone, left = await hours(spans), most - sum(one.hours for one in groups)
        best, cost = Group([], 0), alone
        for group in groups:
            more = await hours([*group.spans, *spans]) - group.hours
            if more < cost:
                best, cost = group, more
        if cost > left:
            refused[spans] = alone
            continue
        if not best.spans:
            groups.append(best)
        best.spans += spans
        best.hours += cost
    return [one.spans for one in groups], refused


async def read(
    session: AsyncSession,
    tenant_id: UUID,
    points: Mapping[str, UUID],
    spans: Iterable[Span],
    *,
    width: int,
    most: int = MOST_HOURS,
) -> dict[Span, Read]:
    """Return what outcomes of live traffic say of each span.

    Spans are cut where buckets of ``width`` hours are, counted since 1970; at the ends of the
    whole time they need not be.
    """
    asked = sorted(set(spans))
    if not asked:
        return {}
    first, last = min(one.first for one in asked), max(one.last for one in asked)
    series = await live_series(session, tenant_id, points.values())
    ids = [one for some in series.values() for one in some]
    hours = await telemetry.hours_between(
        session, tenant_id, ids, ProfileKind.OUTCOMES, first, last
    )
    if hours > most:
        raise TooMuchToMeasure(f"{hours} hours hold outcomes; {most} are read.")
    wholes: dict[Span, Tally | None] = dict.fromkeys(asked)
    parts: dict[Span, dict[str, Performance]] = {one: {} for one in asked}
    for key, point_id in points.items():
        buckets = await telemetry.profiles_in(
            session, tenant_id, series[point_id], ProfileKind.OUTCOMES, first, last, width
        )
        own = await asyncio.to_thread(_sums, list(buckets.values()), wholes, width)
        for span, done in own.items():
            parts[span][key] = done
    return {one: Read(telemetry.performance(wholes[one]), parts[one]) for one in asked}


async def live_series(
    session: AsyncSession, tenant_id: UUID, point_ids: Iterable[UUID]
) -> dict[UUID, list[UUID]]:
    """Return the series of points that are production's: no rehearsal, and no shadow's."""
    rows = await session.execute(
        select(Series.point_id, Series.id)
        .where(
            Series.tenant_id == tenant_id,
            Series.point_id.in_(list(point_ids)),
            telemetry.decides(),
        )
        .order_by(Series.id)
    )
    found: dict[UUID, list[UUID]] = defaultdict(list)
    for point_id, series_id in rows:
        found[point_id].append(series_id)
    return found


def _sums(
    series: Sequence[Mapping[int, Tally]], wholes: dict[Span, Tally | None], width: int
) -> dict[Span, Performance]:
    """Return what a point's series say of spans, and add it to what all say."""
    found = {}
    for span, whole in wholes.items():
        own = telemetry.total(
            tally
            for buckets in series
            for bucket, tally in buckets.items()
            if span.first < (bucket + 1) * width and bucket * width < span.last
        )
        found[span] = telemetry.performance(own)
        wholes[span] = telemetry.total(one for one in (whole, own) if one is not None)
    return found
