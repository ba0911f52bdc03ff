"""Charting: any metric of a decision point over time, for whoever draws it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, telemetry
from app.drift.drawing import BadChart, Drawn, Point, TooMuchToChart, points_of
from app.drift.known import require_arm, require_variable
from app.drift.kpi_charting import KPI, KpiDrawn, KpiToDraw, ReportedLine
from app.drift.lapsing import KpisAgreed
from app.drift.service import thresholds
from app.kit.actor import Actor
from app.platform.db import clock
from app.platform.events import ask

WIDTHS = (1, 3, 6, 12, 24, 24 * 7, 24 * 28)
MOST_POINTS = 200
_OF_VARIABLES = ("mean", "null_share", "unseen_share", "js", "psi", "ks", "wasserstein")


@dataclass(frozen=True, slots=True)
class Line:
    """A metric of one version under one arm; of one segment, or of the whole."""

    model: str | None
    """Of nobody's: what was reported of the whole point."""
    version: int | None
    arm: str
    """Of no arm: what was reported."""
    segment: str
    points: list[Point] = field(default_factory=list)


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
    variable, kpi = _variable_of(metric), _kpi_of(metric)
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
        Drawn(one.id, one.version_id, one.arm)
        for one in every
        if wanted in {None, one.version_id} and arm in {None, one.arm}
    ]
    drawn = None
    if kpi is not None:
        place = (by.tenant_id, point.id)
        drawn = await _agreed(session, KpiToDraw(*place, kpi, wanted, segment, first, last, width))
    if drawn is not None and drawn.of_outcomes is None:
        lines = [] if arm else await _reported(session, by.tenant_id, drawn.reported, width)
    else:
        series = wholes if segment is None else await _divided(session, point, wholes, segment)
        found = await points_of(session, by.tenant_id, series, metric, drawn, first, last, width)
        lines = await _lines(session, by.tenant_id, series, found)
    if variable is not None and not lines:
        ids = {one.version_id for one in every} | ({wanted} if wanted else set())
        await require_variable(session, point, variable, ids)
    matured = None
    if metric in telemetry.METRICS or (drawn is not None and drawn.of_outcomes is not None):
        limits = await thresholds(session, by.tenant_id, point.id)
        matured = limits.matured(await clock(session))
    return Chart(metric, since, until, width, lines, matured)


def _variable_of(metric: str) -> str | None:
    """Return the variable that a metric is of, if it is of one; refuse what is no metric."""
    statistic, _, variable = metric.partition(":")
    if metric == "events" or metric in telemetry.METRICS or (statistic == KPI and variable):
        return None
    if statistic not in _OF_VARIABLES or not variable:
        of = (KPI, *_OF_VARIABLES)
        known = ", ".join(["events", *telemetry.METRICS, *(f"{one}:…" for one in of)])
        raise BadChart(f"There is no metric {metric!r}; there are {known}.")
    return variable


def _kpi_of(metric: str) -> str | None:
    """Return the key of the KPI that a metric is, if it is one."""
    kind, _, key = metric.partition(":")
    return key if kind == KPI else None


async def _agreed(session: AsyncSession, asked: KpiToDraw) -> KpiDrawn:
    """Return how a KPI is drawn; refuse what nobody agreed on, and what has no course in time."""
    drawn = await ask(session, asked)
    if drawn is None:
        agreed = await ask(session, KpisAgreed(asked.tenant_id, asked.point_id))
        known = sorted(agreed or ())
        raise BadChart(
            f"No KPI {asked.key!r} is agreed on here; there are {', '.join(known) or 'none'}.",
            known=known,
        )
    if drawn.lacking is not None:
        raise BadChart(f"{asked.key} {drawn.lacking}")
    return drawn


async def _reported(
    session: AsyncSession, tenant_id: UUID, reported: Sequence[ReportedLine], width: int
) -> list[Line]:
    ids = {one.version_id for one in reported if one.version_id is not None}
    named = await catalog.versions_by_id(session, tenant_id, ids)
    lines = []
    for one in reported:
        points = [Point.of(telemetry.begins(at, width), said) for at, said in one.figures.items()]
        if one.version_id is None:
            lines.append(Line(None, None, "", one.segment, points))
        else:
            model, version = named[one.version_id]
            lines.append(Line(model.name, version.number, "", one.segment, points))
    return lines


async def _lines(
    session: AsyncSession,
    tenant_id: UUID,
    series: Sequence[Drawn],
    found: Mapping[UUID, list[Point]],
) -> list[Line]:
    ids = {one.version_id for one in series}
    named = await catalog.versions_by_id(session, tenant_id, ids)
    lines = []
    for one in series:
        if points := found.get(one.id):
            model, version = named[one.version_id]
            lines.append(Line(model.name, version.number, one.arm, one.segment, points))
    return lines


async def _divided(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    wholes: Sequence[Drawn],
    segment: str,
) -> list[Drawn]:
    by_id = {one.id: one for one in wholes}
    parts = await telemetry.named_segments(session, point, list(by_id), segment)
    return [
        replace(by_id[one.series_id], id=one.id, segment=f"{one.variable}={one.value}")
        for one in parts
    ]
