"""Newest: what stands of versions at points, and what their newest windows say, for dashboards."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, cast, func, select, true, tuple_
from sqlalchemy.dialects.postgresql import JSONPATH, distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.selectable import LateralFromClause

from app.drift import alert_rules as rules
from app.drift import saying
from app.drift.alert_rules import AlertKind, Severity, State
from app.drift.alert_tables import Episode
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
"""So many windows are looked back at for a KPI, whose outcomes come late."""


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
    last = _last(1)
    found = {}
    for point_id, version_id, *said in await session.execute(_of(last, tenant_id, places)):
        window = Window(**dict(zip(_OVERALL, said, strict=True)))
        mine = limits.get(point_id, Thresholds())
        found[point_id, version_id] = Newest(
            until=window.until,
            beyond=rules.out_of_bounds(saying.look(window, mine)),
            js=_farthest(window.variables),
        )
    return found


def _farthest(variables: Collection[Mapping[str, Any]]) -> dict[AlertKind, float]:
    found: dict[AlertKind, float] = {}
    for one in variables:
        kind = AlertKind.PREDICTION if one["name"] == SCORE else AlertKind.DATA
        found[kind] = max(one["js"], found.get(kind, 0.0))
    return found


async def newest_kpis(
    session: AsyncSession, tenant_id: UUID, places: Collection[Place]
) -> dict[Place, dict[str, float]]:
    """Return what the KPIs of versions at points came to in the last window that measured any."""
    last = _last(_BACK)
    said = func.jsonb_path_exists(last.c.kpis, cast("$[*] ? (@.value != null)", JSONPATH))
    query = (
        select(Watch.point_id, Watch.version_id, last.c.kpis)
        .join(last, true())
        .where(*_among(tenant_id, places), said)
        .ext(distinct_on(Watch.point_id, Watch.version_id))
        .order_by(Watch.point_id, Watch.version_id, last.c.until.desc())
    )
    return {
        (point_id, version_id): {
            row["key"]: row["value"] for row in kpis if row["value"] is not None
        }
        for point_id, version_id, kpis in await session.execute(query)
    }


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


def _last(number: int) -> LateralFromClause:
    """Return the newest windows of a row of Watch."""
    columns = [getattr(Window, name) for name in _OVERALL]
    query = (
        select(*columns)
        .where(
            Window.tenant_id == Watch.tenant_id,
            Window.point_id == Watch.point_id,
            Window.version_id == Watch.version_id,
        )
        .order_by(Window.until.desc())
        .limit(number)
        .correlate(Watch)
    )
    return query.lateral("last")


def _of(last: LateralFromClause, tenant_id: UUID, places: Collection[Place]) -> Select[Any]:
    columns = [last.c[name] for name in _OVERALL]
    query = select(Watch.point_id, Watch.version_id, *columns).join(last, true())
    return query.where(*_among(tenant_id, places))


def _among(tenant_id: UUID, places: Collection[Place]) -> tuple[Any, ...]:
    return Watch.tenant_id == tenant_id, tuple_(Watch.point_id, Watch.version_id).in_(places)
