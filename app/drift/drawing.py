"""Drawing: what a metric comes to in each bucket of whatever has profiles."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import telemetry
from app.drift.kpi_charting import KpiDrawn
from app.drift.statistics import distance
from app.kit.refusal import Invalid

Measure = Callable[[telemetry.Tally], telemetry.Measure | None]


class BadChart(Invalid):
    """The chart asked for cannot be drawn."""

    code = "bad_chart"
    title = "No such chart"
    mend = (
        "Ask for events, a metric of outcomes, `statistic:variable` or `kpi:` and a KPI's key, of a"
        " time in order."
    )


class TooMuchToChart(Invalid):
    """More hours would have to be read than one answer may take."""

    code = "too_much_to_chart"
    title = "Too much for one chart"
    mend = "Narrow `since` and `until`, or name one `model` and `version`, or one `arm`."


@dataclass(frozen=True, slots=True)
class Point:
    """One bucket of a line."""

    at: datetime
    value: float
    standard_error: float | None
    n: int

    @classmethod
    def of(cls, at: datetime, found: telemetry.Measure) -> "Point":
        """Return what was found as a point; what has no standard error has NaN."""
        known = found.standard_error == found.standard_error
        return cls(at, found.value, found.standard_error if known else None, found.rows)


@dataclass(frozen=True, slots=True)
class Drawn:
    """Whose profiles a line is drawn from."""

    id: UUID
    version_id: UUID
    arm: str
    segment: str = ""


async def points_of(
    session: AsyncSession,
    tenant_id: UUID,
    series: Sequence[Drawn],
    metric: str,
    kpi: KpiDrawn | None,
    first: int,
    last: int,
    width: int,
) -> dict[UUID, list[Point]]:
    """Return a metric, or a KPI of outcomes, in each bucket of what is drawn that has it."""
    ids = [one.id for one in series]
    if metric == "events":
        counted = await telemetry.events_in(session, tenant_id, ids, first, last, width)
        return {
            id_: [Point(telemetry.begins(at, width), n, None, n) for at, n in buckets.items()]
            for id_, buckets in counted.items()
        }
    statistic, _, variable = metric.partition(":")
    outcomes = kpi is not None or metric in telemetry.METRICS
    kind = telemetry.ProfileKind.OUTCOMES if outcomes else telemetry.ProfileKind.INPUTS
    hours = await telemetry.hours_between(session, tenant_id, ids, kind, first, last)
    if hours > telemetry.MOST_HOURS:
        raise TooMuchToChart(f"{hours} hours hold something; {telemetry.MOST_HOURS} are read.")
    buckets = await telemetry.profiles_in(session, tenant_id, ids, kind, first, last, width)
    measures: Mapping[UUID, Measure]
    if kpi is not None and kpi.of_outcomes is not None:
        measures = dict.fromkeys(ids, _of_kpi(kpi.of_outcomes))
    elif outcomes:
        measures = dict.fromkeys(ids, lambda found: telemetry.performance(found).measure(metric))
    else:
        measures = await _of_variable(session, tenant_id, series, statistic, variable)
    return {
        id_: [
            Point.of(telemetry.begins(at, width), found)
            for at, tally in buckets[id_].items()
            if (found := measure(tally)) is not None
        ]
        for id_, measure in measures.items()
    }


def _of_kpi(figure: Callable[[telemetry.Performance], telemetry.Measure | None]) -> Measure:
    return lambda tally: figure(telemetry.performance(tally))


async def _of_variable(
    session: AsyncSession,
    tenant_id: UUID,
    series: Sequence[Drawn],
    statistic: str,
    variable: str,
) -> dict[UUID, Measure]:
    """Return what measures a variable of each series whose version has a baseline for it."""
    found: dict[UUID, Measure] = {}
    for one in series:
        baseline = await telemetry.baseline_of(session, tenant_id, one.version_id)
        if baseline is None:
            continue
        profile = telemetry.Tally.decode(baseline.profile)
        for place, (bins, span) in enumerate(telemetry.Layout.load(baseline.layout).spans()):
            if bins.name == variable:
                found[one.id] = _measure(statistic, bins, span, place, profile)
    return found


def _measure(
    statistic: str, bins: telemetry.Bins, span: slice, place: int, profile: telemetry.Tally
) -> Measure:
    def mean(tally: telemetry.Tally) -> telemetry.Measure | None:
        counts, sums = tally.counts[span][: bins.bins], tally.sums[span]
        n = int(counts.sum())
        if not n or bins.binning == "categories":
            return None
        value = float(sums.sum()) / n
        spread = max(float(tally.moments[place, 2]) / n - value**2, 0.0)
        return telemetry.Measure(value, (spread / n) ** 0.5, n)

    def against(tally: telemetry.Tally) -> telemetry.Measure | None:
        found: Any = getattr(distance(bins, span, profile, tally), statistic)
        rows = int(tally.counts[span].sum())
        return None if found is None or not rows else telemetry.Measure(found, float("nan"), rows)

    return mean if statistic == "mean" else against
