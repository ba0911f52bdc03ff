"""Charting: any metric of a decision point over time, for whoever draws it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, telemetry
from app.drift.known import require_arm, require_variable
from app.drift.service import thresholds
from app.drift.statistics import distance
from app.kit.actor import Actor
from app.kit.refusal import Invalid
from app.platform.db import clock

WIDTHS = (1, 3, 6, 12, 24, 24 * 7, 24 * 28)
MOST_POINTS = 200
_OF_VARIABLES = ("mean", "null_share", "unseen_share", "js", "psi", "ks", "wasserstein")
Measure = Callable[[telemetry.Tally], telemetry.Measure | None]


class BadChart(Invalid):
    """The chart asked for cannot be drawn."""

    code = "bad_chart"
    title = "No such chart"
    mend = "Ask for events, a metric of outcomes, or `statistic:variable`, of a time in order."


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


@dataclass(frozen=True, slots=True)
class Line:
    """A metric of one version under one arm; of one segment, or of the whole."""

    model: str
    version: int
    arm: str
    segment: str
    points: list[Point] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Whose profiles a line is drawn from."""

    id: UUID
    version_id: UUID
    arm: str
    segment: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over the same buckets."""

    metric: str
    since: datetime
    until: datetime
    bucket_hours: int
    lines: list[Line]
    judged_until: datetime | None = None
    """Of outcomes: what is younger has not had its time to be labelled."""


def width_of(hours: int) -> int:
    """Return the narrowest bucket, in hours, of which no more than 200 cover a time."""
    return next((one for one in WIDTHS if hours <= one * MOST_POINTS), WIDTHS[-1])


async def chart(
    session: AsyncSession,
    key: str,
    metric: str,
    *,
    model: str | None,
    version: int | None,
    arm: str | None,
    segment: str | None,
    since: datetime | None,
    until: datetime | None,
    bucket_hours: int | None,
    by: Actor,
) -> Chart:
    """Return a metric's lines, by default over the newest week and of the whole traffic.

    Of a ``segment``: ``state=NSW`` is one of each version and arm, ``state`` is one of each value.
    """
    point = await catalog.point_by_key(session, key, by=by)
    until = until or await clock(session)
    since = since or until - timedelta(days=7)
    if since >= until:
        raise BadChart("since is not before until.")
    variable = _variable_of(metric)
    # Whole hours, as profiles are; the one that ``until`` begins is not among them.
    first = telemetry.hour_at(since)
    last = telemetry.hour_at(until - timedelta(microseconds=1)) + 1
    width = bucket_hours or width_of(last - first)
    if (last - first) // width > MOST_POINTS * 5:
        raise TooMuchToChart(f"That would be {(last - first) // width} points a line.")
    wanted = None
    if (model is None) is not (version is None):
        raise BadChart("model and version are named together, or neither is.")
    if model is not None and version is not None:
        wanted = (await catalog.find_version(session, model, version, by=by)).id
    every = await telemetry.series_of(session, by.tenant_id, point.id)
    if arm is not None:
        await require_arm(session, point, arm, {one.arm for one in every})
    wholes = [
        _Drawn(one.id, one.version_id, one.arm)
        for one in every
        if wanted in {None, one.version_id} and arm in {None, one.arm}
    ]
    series = wholes if segment is None else await _divided(session, point, wholes, segment)
    named = await catalog.versions_by_id(
        session, by.tenant_id, {one.version_id for one in series}
    )  # fmt: skip
    found = await _points(session, by.tenant_id, series, metric, first, last, width)
    lines = [
        Line(
            named[one.version_id][0].name, named[one.version_id][1].number, one.arm, one.segment,
            found[one.id],
        )
        for one in series
        if found.get(one.id)
    ]  # fmt: skip
    if variable is not None and not lines:
        ids = {one.version_id for one in every} | ({wanted} if wanted else set())
        await require_variable(session, point, variable, ids)
    matured = None
    if metric in telemetry.METRICS:
        limits = await thresholds(session, by.tenant_id, point.id)
        matured = limits.matured(await clock(session))
    return Chart(metric, since, until, width, lines, matured)


def _variable_of(metric: str) -> str | None:
    """Return the variable that a metric is of, if it is of one; refuse what is no metric."""
    if metric == "events" or metric in telemetry.METRICS:
        return None
    statistic, _, variable = metric.partition(":")
    if statistic not in _OF_VARIABLES or not variable:
        known = ", ".join(["events", *telemetry.METRICS, *(f"{one}:…" for one in _OF_VARIABLES)])
        raise BadChart(f"There is no metric {metric!r}; there are {known}.")
    return variable


async def _divided(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    wholes: Sequence[_Drawn],
    segment: str,
) -> list[_Drawn]:
    by_id = {one.id: one for one in wholes}
    parts = await telemetry.named_segments(session, point, list(by_id), segment)
    return [
        replace(by_id[one.series_id], id=one.id, segment=f"{one.variable}={one.value}")
        for one in parts
    ]


async def _points(
    session: AsyncSession,
    tenant_id: UUID,
    series: Sequence[_Drawn],
    metric: str,
    first: int,
    last: int,
    width: int,
) -> dict[UUID, list[Point]]:
    ids = [one.id for one in series]
    if metric == "events":
        counted = await telemetry.events_in(session, tenant_id, ids, first, last, width)
        return {
            id_: [Point(telemetry.begins(at, width), n, None, n) for at, n in buckets.items()]
            for id_, buckets in counted.items()
        }
    statistic, _, variable = metric.partition(":")
    outcomes = metric in telemetry.METRICS
    kind = telemetry.ProfileKind.OUTCOMES if outcomes else telemetry.ProfileKind.INPUTS
    hours = await telemetry.hours_between(session, tenant_id, ids, kind, first, last)
    if hours > telemetry.MOST_HOURS:
        raise TooMuchToChart(f"{hours} hours hold something; {telemetry.MOST_HOURS} are read.")
    buckets = await telemetry.profiles_in(session, tenant_id, ids, kind, first, last, width)
    measures: Mapping[UUID, Measure]
    if outcomes:
        measures = dict.fromkeys(ids, lambda found: telemetry.performance(found).measure(metric))
    else:
        measures = await _of_variable(session, tenant_id, series, statistic, variable)
    return {
        id_: [
            Point(telemetry.begins(at, width), *_plain(found))
            for at, tally in buckets[id_].items()
            if (found := measure(tally)) is not None
        ]
        for id_, measure in measures.items()
    }


def _plain(found: telemetry.Measure) -> tuple[float, float | None, int]:
    known = found.standard_error == found.standard_error
    return found.value, found.standard_error if known else None, found.rows


async def _of_variable(
    session: AsyncSession,
    tenant_id: UUID,
    series: Sequence[_Drawn],
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
