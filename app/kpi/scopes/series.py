"""Series: a scope's KPI over time, in all and at each of its points."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import telemetry
from app.kit.actor import Actor
from app.kit.refusal import NotFound
from app.kpi.rules import Found
from app.kpi.scopes import reporting, service
from app.kpi.scopes.formula import Expression
from app.kpi.scopes.measuring import A_DAY, span_of
from app.kpi.scopes.reading import MOST_HOURS, Read, Span, TooMuchToMeasure, live_series
from app.kpi.scopes.reckoning import Ground, counts_outcomes, found_in, ground_of, prices_of
from app.kpi.scopes.rules import REPORTED, ScopeFormula, value
from app.kpi.scopes.tables import ScopeKpi
from app.platform.db import clock
from app.telemetry import Performance, ProfileKind, Tally

_DAYS = (30, 14, 7, 3, 1)
MOST_BUCKETS = 200
_WIDTHS = (A_DAY, 7 * A_DAY, 28 * A_DAY)
MOST_FIGURES = 20_000
Live = dict[UUID, list[UUID]]
"""The series that are production's, by decision point."""
MOST_STEPS = 2_000_000
"""A formula's parts, as often as they are looked at: some seconds, in a thread."""
_SILENT = Performance()


@dataclass(frozen=True, slots=True)
class Figure:
    """What a KPI came to in one bucket, and how many of its hours are in the time asked about."""

    at: datetime
    covered_hours: int
    value: float | None
    low: float | None
    high: float | None
    outcomes: int
    lacking: str | None


@dataclass(frozen=True, slots=True)
class PartLine:
    """What one point contributed, bucket by bucket, where it has something."""

    decision_point: str
    figures: list[Figure]


@dataclass(frozen=True, slots=True)
class ScopeSeries:
    """A KPI over time: the whole, and each point beside it."""

    kpi: ScopeKpi
    since: datetime
    until: datetime
    bucket_hours: int
    figures: list[Figure]
    parts: list[PartLine]


@dataclass(frozen=True, slots=True)
class Grid:
    """The buckets of a time: so many hours wide, counted since 1970; weeks begin on Mondays."""

    width: int
    span: Span

    @property
    def shift(self) -> int:
        """So many hours before 1970 buckets are counted from: 1 January was a Thursday."""
        return 0 if self.width % (7 * A_DAY) else 3 * A_DAY

    @property
    def buckets(self) -> range:
        """Those that the time has a part of."""
        first, last = (bound + self.shift for bound in self.span)
        return range(first // self.width, -(-last // self.width))

    def figure(self, bucket: int, found: Found, lacking: str | None) -> Figure:
        """Return what was found of a bucket."""
        first = bucket * self.width - self.shift
        covered = min(first + self.width, self.span.last) - max(first, self.span.first)
        return Figure(
            telemetry.begins(first, 1), covered, found.value, *found.interval, found.outcomes,
            lacking,
        )  # fmt: skip


async def series(
    session: AsyncSession,
    scope_key: str,
    key: str,
    *,
    since: datetime | None,
    until: datetime | None,
    bucket_hours: int | None,
    by: Actor,
) -> ScopeSeries:
    """Return a KPI of a scope in buckets of time: days, or wider ones where there are many."""
    scope = await service.scope_by_key(session, scope_key, by=by)
    ground = await ground_of(session, scope)
    kpi = next((one for one in ground.kpis if one.key == key), None)
    if kpi is None:
        raise NotFound("KPI of this scope", key)
    ends = until or await clock(session)
    live: Live = {}
    if kpi.formula is not ScopeFormula.PUSHED:
        live = await live_series(session, scope.tenant_id, ground.points.values())
    if since is None:
        last = telemetry.hour_at(ends) + (until is None)
        counted = live if counts_outcomes(kpi) else {}
        span = await _newest(session, scope.tenant_id, counted, last, bucket_hours or A_DAY)
    else:
        span = span_of(since, ends, ended=until is not None)
    width = bucket_hours or width_of(span.last - span.first)
    grid = Grid(width, span)
    buckets = grid.buckets
    figures = len(buckets) * (1 + len(ground.points))
    if figures > MOST_FIGURES:
        raise TooMuchToMeasure(
            f"That would be {figures} figures, of each bucket and point one;"
            f" {MOST_FIGURES} are the most."
        )
    if kpi.expression is not None:
        steps = len(buckets) * Expression.read(kpi.expression).steps
        if steps > MOST_STEPS:
            raise TooMuchToMeasure(
                f"A formula of that length would be reckoned in {len(buckets)} buckets, which"
                f" takes {steps} steps; {MOST_STEPS} are the most."
            )
    wholes, points, parts = await _read(session, ground, kpi, live, grid)
    said = await reporting.reported(
        session, scope.tenant_id, scope.id, ground.pushed, *span, width, grid.shift
    )

    def reckoned() -> list[Figure]:
        line = []
        for bucket in buckets:
            done = Read(
                telemetry.performance(wholes.get(bucket)),
                {one: points.get((one, bucket), _SILENT) for one in ground.points},
            )
            sums = {one: of[bucket] for one, of in said.items() if bucket in of}
            found, lacking = found_in(ground, kpi, done, sums)
            line.append(grid.figure(bucket, found, lacking))
        return line

    # However long the formula and the line are, whoever asks meanwhile is answered.
    line = await asyncio.to_thread(reckoned)
    return ScopeSeries(
        kpi, telemetry.begins(span.first, 1), telemetry.begins(span.last, 1), width, line, parts
    )


async def _newest(
    session: AsyncSession, tenant_id: UUID, live: Live, last: int, width: int
) -> Span:
    """Return the newest thirty days, whole buckets to begin with, or as many as can be read."""
    span = Span(0, last)
    for days in _DAYS:
        since = (last // A_DAY - days) * A_DAY
        grid = Grid(width, Span(since, last))
        span = Span(max(grid.buckets.start * width - grid.shift, 0), last)
        if not live or await _hours(session, tenant_id, live, span) <= MOST_HOURS:
            break
    return span


async def _hours(session: AsyncSession, tenant_id: UUID, live: Live, span: Span) -> int:
    ids = [one for some in live.values() for one in some]
    return await telemetry.hours_between(session, tenant_id, ids, ProfileKind.OUTCOMES, *span)


def width_of(hours: int) -> int:
    """Return days, or the narrowest buckets of which no more than 200 cover a time."""
    return next((one for one in _WIDTHS if hours <= one * MOST_BUCKETS), _WIDTHS[-1])


async def _read(
    session: AsyncSession, ground: Ground, kpi: ScopeKpi, live: Live, grid: Grid
) -> tuple[dict[int, Tally], dict[tuple[str, int], Performance], list[PartLine]]:
    """Return the outcomes of buckets: of the whole, of what a formula names, and each part."""
    if kpi.formula is ScopeFormula.PUSHED:
        return {}, {}, []
    tenant_id = ground.scope.tenant_id
    hours = await _hours(session, tenant_id, live, grid.span)
    if hours > MOST_HOURS:
        raise TooMuchToMeasure(f"{hours} hours hold outcomes; {MOST_HOURS} are read.")
    # What the error of a formula is made of is every point's.
    kept = kpi.formula is ScopeFormula.EXPRESSION
    wholes: dict[int, Tally] = {}
    points: dict[tuple[str, int], Performance] = {}
    parts = []
    for key, point_id in ground.points.items():
        found = await telemetry.profiles_in(
            session, tenant_id, live[point_id], ProfileKind.OUTCOMES, *grid.span,
            grid.width, grid.shift,
        )  # fmt: skip
        own = await asyncio.to_thread(_by_bucket, live[point_id], found, wholes)
        if kept:
            points |= {(key, bucket): done for bucket, done in own.items()}
        if kpi.formula not in REPORTED:
            figures = await asyncio.to_thread(_figures, kpi, own, grid)
            if figures:
                parts.append(PartLine(key, figures))
    return wholes, points, parts


def _figures(kpi: ScopeKpi, own: Mapping[int, Performance], grid: Grid) -> list[Figure]:
    """Return what a point has of a KPI in each bucket where it has something."""
    found = {bucket: value(kpi.formula, done, prices_of(kpi)) for bucket, done in own.items()}
    return [
        grid.figure(bucket, one, one.few)
        for bucket, one in sorted(found.items())
        if one.value is not None
    ]


def _by_bucket(
    ids: Sequence[UUID], found: Mapping[UUID, Mapping[int, Tally]], wholes: dict[int, Tally]
) -> dict[int, Performance]:
    """Return a point's outcomes by bucket, and add them to those of the whole."""
    own: dict[int, Tally] = {}
    for one in ids:
        for bucket, tally in found[one].items():
            own[bucket] = _plus(own.get(bucket), tally)
    for bucket, tally in own.items():
        wholes[bucket] = _plus(wholes.get(bucket), tally)
    return {bucket: telemetry.performance(tally) for bucket, tally in own.items()}


def _plus(one: Tally | None, other: Tally) -> Tally:
    return other if one is None else telemetry.total([one, other]) or other
