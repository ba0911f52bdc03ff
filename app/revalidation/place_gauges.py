"""What versions do where they answer, as Prometheus gauges: drift, alerts and KPIs by point.

Bounded: of a tenant the versions that have a seat alone, champions first, at most ``MOST_PLACES``
of them, and of a point ``MOST_KPIS`` KPIs by their keys; how much is left out a gauge of its own
says. So a tenant has fewer than 5,000 series. None is by variable, segment or unit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from uuid import UUID

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, drift, identity, kpi, routing
from app.platform.db import ALL_TENANTS, Database
from app.routing import SeatRole

MOST_PLACES = 100
MOST_KPIS = 10
_PLACE = ("tenant", "decision_point", "model", "version")
_AGREED = ("tenant", "decision_point", "kpi")
GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "modelward_drift_beyond": (
        "Subjects out of their bounds in the newest window that could say so, by kind.",
        (*_PLACE, "kind"),
    ),
    "modelward_drift_js": (
        "How far from the baseline the farthest input, and the score, of the newest window are.",
        (*_PLACE, "kind"),
    ),
    "modelward_drift_window_end_seconds": (
        "When the newest window that was examined ends, since 1970.", _PLACE,
    ),
    "modelward_place_alerts": (
        "Alerts that are not resolved, silenced or not.", (*_PLACE, "severity", "state"),
    ),
    "modelward_kpi_value": (
        "What a KPI came to in the newest window that says so.", (*_PLACE, "kpi"),
    ),
    "modelward_kpi_threshold": ("What was agreed on of a KPI.", _AGREED),
    "modelward_kpi_target": ("What one hopes for beyond the threshold.", _AGREED),
    "modelward_places_left_out": (
        "Versions that have a seat and no series: there are too many.", ("tenant",),
    ),
    "modelward_kpis_left_out": (
        "Agreed KPIs that have no series: their point has too many.", ("tenant",),
    ),
}  # fmt: skip

Sample = tuple[str, tuple[str, ...], float]
"""A gauge's name, its labels, its value."""


@dataclass(frozen=True, slots=True)
class _Names:
    """A place under the names that people know it by."""

    point: str
    model: str
    version: str


class PlaceGauges(Collector):
    """Reads every tenant's places; a scrape shows the last reading, and nothing that has gone."""

    every_seconds = 60.0

    def __init__(self, database: Database, registry: CollectorRegistry) -> None:
        self._database = database
        self._samples: Sequence[Sample] = ()
        registry.register(self)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return the last reading."""
        found = {
            name: GaugeMetricFamily(name, said, labels=labels)
            for name, (said, labels) in GAUGES.items()
        }
        for name, labels, value in self._samples:
            found[name].add_metric(labels, value)
        yield from found.values()

    async def count(self) -> None:
        """Read every tenant's places once."""
        async with self._database.session(ALL_TENANTS) as session:
            tenants = await identity.tenants(session)
        samples: list[Sample] = []
        for tenant, tenant_id in tenants.items():
            async with self._database.snapshot(tenant_id) as session:
                samples += [
                    (name, (tenant, *labels), value)
                    for name, labels, value in await _read(session, tenant_id)
                ]
        self._samples = samples


async def _read(session: AsyncSession, tenant_id: UUID) -> list[Sample]:
    """Return a tenant's samples, without the tenant's label."""
    mine = select(routing.Seat).filter_by(tenant_id=tenant_id, until=None)
    seats = await session.scalars(
        mine.order_by(
            (routing.Seat.role == SeatRole.CHAMPION).desc(), routing.Seat.since, routing.Seat.id
        ).limit(MOST_PLACES)
    )
    places = [(seat.point_id, seat.version_id) for seat in seats]
    there = await session.scalar(select(func.count()).select_from(mine.subquery()))
    samples: list[Sample] = [("modelward_places_left_out", (), (there or 0) - len(places))]
    agreed = await kpi.agreements_by_point(session, tenant_id, {point for point, _ in places})
    left = sum(max(0, len(some) - MOST_KPIS) for some in agreed.values())
    samples.append(("modelward_kpis_left_out", (), left))
    if not places:
        return samples
    names = await _names(session, tenant_id, places)
    shown = {point: some[:MOST_KPIS] for point, some in agreed.items()}
    keys = {point: names[point, version].point for point, version in places}
    samples += [
        (name, (keys[point], one.key), value)
        for point, some in shown.items()
        for one in some
        for name, value in (
            ("modelward_kpi_threshold", one.threshold), ("modelward_kpi_target", one.target),
        )
        if value is not None
    ]  # fmt: skip
    newest = await drift.newest(session, tenant_id, places)
    values = await drift.newest_kpis(session, tenant_id, places)
    alerts = await drift.standing_at(session, tenant_id, places)
    for place in places:
        called = names[place]
        labels = (called.point, called.model, called.version)
        samples += [
            ("modelward_place_alerts", (*labels, severity, state), alerts[place, severity, state])
            for severity, state in product(drift.Severity, sorted(drift.STANDING))
        ]
        samples += [
            ("modelward_kpi_value", (*labels, one.key), values[place][one.key])
            for one in shown.get(place[0], ())
            if one.key in values.get(place, ())
        ]
        if place in newest:
            samples += _drift(newest[place], labels)
    return samples


def _drift(found: drift.Newest, labels: tuple[str, ...]) -> Iterator[Sample]:
    yield "modelward_drift_window_end_seconds", labels, found.until.timestamp()
    for kind, number in found.beyond.items():
        yield "modelward_drift_beyond", (*labels, kind), number
    for kind, value in found.js.items():
        yield "modelward_drift_js", (*labels, kind), value


async def _names(
    session: AsyncSession, tenant_id: UUID, places: Sequence[tuple[UUID, UUID]]
) -> dict[tuple[UUID, UUID], _Names]:
    points = await catalog.points_by_id(session, tenant_id, {point for point, _ in places})
    versions = await catalog.versions_by_id(session, tenant_id, {version for _, version in places})
    return {
        (point, version): _Names(
            points[point].key, versions[version][0].name, str(versions[version][1].number)
        )
        for point, version in places
    }
