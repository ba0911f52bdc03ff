"""Newest: what stands of versions at points, and what their newest windows say, for dashboards."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Float, String, column, exists, func, select, true, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.selectable import LateralFromClause

from app.drift import alert_rules as rules
from app.drift import saying
from app.drift.alert_rules import AlertKind, Severity, State
from app.drift.alert_tables import Episode
from app.drift.history import BY_LABELS, JUDGED, MEASURED, says
from app.drift.rules import Thresholds
from app.drift.tables import Alert, Monitor, Watch, Window
from app.telemetry import SCORE

Place = tuple[UUID, UUID]
"""A decision point, and a version there."""
_OVERALL = (
    "until", "n", "variables", "alerting", "metrics", "degraded", "estimated", "concept",
    "fairness", "kpis", "basis",
)  # fmt: skip
"""Of a window all but its segments, which are many."""
_BACK = 64
"""So many windows are looked back at for outcomes, which come late, and so many mature ones."""


@dataclass(frozen=True, slots=True)
class Newest:
    """What the newest window of a version at a point says of the whole."""

    until: datetime
    beyond: Mapping[AlertKind, int]
    """How many subjects are out of their bounds, by kind; of a kind that can be told."""
    js: Mapping[AlertKind, float]
    """How far the inputs are from the baseline, the farthest of them, and the score."""


async def newest(
    session: AsyncSession, tenant_id: UUID, places: Collection[Place]
) -> dict[Place, Newest]:
    """Return what the newest windows of versions at points say, of those that were examined."""
    monitors = await session.scalars(
        select(Monitor).where(
            Monitor.tenant_id == tenant_id, Monitor.point_id.in_({point for point, _ in places})
        )
    )
    limits = {row.point_id: Thresholds(**row.settings) for row in monitors}
    older = await _older(session, tenant_id, places)
    found = {}
    for place, window in await _windows(session, tenant_id, places, _last(1)):
        mine = limits.get(place[0], Thresholds())
        before = [saying.look(one, mine) for one in older.get(place, ())]
        seen = rules.completed(saying.look(window, mine), before)
        found[place] = Newest(
            until=window.until, beyond=rules.out_of_bounds(seen), js=_farthest(window.variables)
        )
    return found


async def _older(
    session: AsyncSession, tenant_id: UUID, places: Collection[Place]
) -> dict[Place, list[Window]]:
    """Return of who waits for outcomes the newest windows that say something of them, in order."""
    found: dict[Place, dict[datetime, Window]] = defaultdict(dict)
    for said in (JUDGED, MEASURED, BY_LABELS):
        last = _last(_BACK, Window.matures_at.is_(None))
        what = says(last.c[said.column], said.what)
        for place, window in await _windows(session, tenant_id, places, last, _waits(), what):
            found[place][window.until] = window
    return {place: [one[end] for end in sorted(one)[::-1]] for place, one in found.items()}


async def _windows(
    session: AsyncSession,
    tenant_id: UUID,
    places: Collection[Place],
    last: LateralFromClause,
    *only: ColumnElement[bool],
) -> list[tuple[Place, Window]]:
    """Return the newest of the last windows of each place of which something is so."""
    rows = await session.execute(
        select(Watch.point_id, Watch.version_id, *(last.c[name] for name in _OVERALL))
        .join(last, true())
        .where(*_among(tenant_id, places), *only)
        .ext(distinct_on(Watch.point_id, Watch.version_id))
        .order_by(Watch.point_id, Watch.version_id, last.c.until.desc())
    )
    return [
        ((point_id, version_id), Window(**dict(zip(_OVERALL, said, strict=True))))
        for point_id, version_id, *said in rows
    ]


def _farthest(variables: Collection[Mapping[str, Any]]) -> dict[AlertKind, float]:
    found: dict[AlertKind, float] = {}
    for one in variables:
        kind = AlertKind.PREDICTION if one["name"] == SCORE else AlertKind.DATA
        found[kind] = max(one["js"], found.get(kind, 0.0))
    return found


async def newest_kpis(
    session: AsyncSession, tenant_id: UUID, places: Collection[Place]
) -> dict[Place, dict[str, float]]:
    """Return what each KPI of versions at points came to in the last window that measured it."""
    found: dict[tuple[Place, str], tuple[datetime, float]] = {}
    for last, only in (
        (_last(_BACK), ()),
        (_last(_BACK, Window.matures_at.is_(None)), (_waits(),)),
    ):
        each = func.jsonb_to_recordset(last.c.kpis)
        columns = column("key", String), column("value", Float)
        item = each.table_valued(*columns).render_derived("item", with_types=True)
        mine = Watch.point_id, Watch.version_id, item.c.key
        rows = await session.execute(
            select(*mine, last.c.until, item.c.value)
            .select_from(Watch)
            .join(last, true())
            .join(item, true())
            .where(*_among(tenant_id, places), *only, item.c.value.is_not(None))
            .ext(distinct_on(*mine))
            .order_by(*mine, last.c.until.desc())
        )
        for point_id, version_id, name, until, value in rows:
            key = (point_id, version_id), name
            found[key] = max((until, value), found.get(key, (until, value)))
    values: dict[Place, dict[str, float]] = defaultdict(dict)
    for (place, name), (_, value) in found.items():
        values[place][name] = value
    return dict(values)


async def standing_at(
    session: AsyncSession, tenant_id: UUID, places: Collection[Place]
) -> Counter[tuple[Place, Severity, State]]:
    """Return how many alerts stand of versions at points, by severity and state."""
    rows = await session.execute(
        select(Alert.point_id, Alert.version_id, Episode.severity, Episode.state, func.count())
        .join(Episode, (Episode.tenant_id == Alert.tenant_id) & (Episode.alert_id == Alert.id))
        .where(
            Alert.tenant_id == tenant_id,
            tuple_(Alert.point_id, Alert.version_id).in_(places),
            Episode.resolved_at.is_(None),
        )
        .group_by(Alert.point_id, Alert.version_id, Episode.severity, Episode.state)
    )
    found = Counter[tuple[Place, Severity, State]]()
    for point_id, version_id, severity, state, number in rows:
        found[(point_id, version_id), severity, state] = number
    return found


def _last(number: int, *only: ColumnElement[bool]) -> LateralFromClause:
    """Return the newest windows of a row of Watch, of which something is so."""
    columns = [getattr(Window, name) for name in _OVERALL]
    query = (
        select(*columns)
        .where(*_of_watch(), *only)
        .order_by(Window.until.desc())
        .limit(number)
        .correlate(Watch)
    )
    return query.lateral("last")


def _waits() -> ColumnElement[bool]:
    """Return whether outcomes of a row of Watch are waited for: then its newest say nothing."""
    return exists().where(*_of_watch(), Window.matures_at.is_not(None)).correlate(Watch)


def _of_watch() -> tuple[ColumnElement[bool], ...]:
    return (
        Window.tenant_id == Watch.tenant_id,
        Window.point_id == Watch.point_id,
        Window.version_id == Watch.version_id,
    )


def _among(tenant_id: UUID, places: Collection[Place]) -> tuple[Any, ...]:
    return Watch.tenant_id == tenant_id, tuple_(Watch.point_id, Watch.version_id).in_(places)
