"""Scopes' KPIs as Prometheus metrics: what a worker measured last, counted every so often.

A tenant has at most 200 KPIs here, the first by scope and key; how many were left out is said.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import case, func, select

from app import identity
from app.kpi.scopes.rules import Standing
from app.kpi.scopes.tables import Scope, ScopeKpi, ScopeLook
from app.platform.db import ALL_TENANTS, Database

MOST_SHOWN = 200
_OF_KPI = ("tenant", "scope", "kpi")
_FAMILIES = {
    "modelward_kpi_scope_value": "What a process' or portfolio's KPI came to.",
    "modelward_kpi_scope_threshold": "What it was held against.",
    "modelward_kpi_scope_target": "What is hoped for beyond that, where something is.",
    "modelward_kpi_scope_missed": "Whether it was missed for certain when that was last known.",
    "modelward_kpi_scope_unmeasured": "Whether it has no value now.",
    "modelward_kpi_scope_measured_timestamp_seconds": "When it had a value last, since 1970.",
}


@dataclass
class _Counted:
    """What was counted last: figures by metric and labels."""

    figures: dict[str, dict[tuple[str, ...], float]] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)


class ScopeGauges(Collector):
    """Reads every tenant's; a scrape is given what was read last, and nothing that has ended."""

    every_seconds = 60.0

    def __init__(self, database: Database, registry: CollectorRegistry) -> None:
        self._database = database
        self._counted = _Counted()
        registry.register(self)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metrics."""
        counted = self._counted
        for name, help_ in _FAMILIES.items():
            family = GaugeMetricFamily(name, help_, labels=_OF_KPI)
            for labels, value in counted.figures.get(name, {}).items():
                family.add_metric(labels, value)
            yield family
        left = GaugeMetricFamily(
            "modelward_kpi_scope_left_out", "KPIs of scopes that are not shown.", labels=["tenant"]
        )
        for tenant, count in counted.left_out.items():
            left.add_metric([tenant], count)
        yield left

    async def count(self) -> None:
        """Read once, by one statement for all tenants."""
        place = func.row_number().over(
            partition_by=ScopeKpi.tenant_id, order_by=(Scope.key, ScopeKpi.key)
        )
        ranked = (
            select(
                ScopeKpi.tenant_id, Scope.key.label("scope"), ScopeKpi.key.label("kpi"),
                # Of one look all of them: an edit since shows with the next.
                func.coalesce(ScopeLook.threshold, ScopeKpi.threshold).label("threshold"),
                case((ScopeLook.threshold.is_(None), ScopeKpi.target), else_=ScopeLook.target)
                .label("target"),
                ScopeLook.value, func.coalesce(ScopeLook.known, ScopeLook.standing).label("known"),
                func.extract("epoch", ScopeLook.measured_at).label("measured"),
                place.label("place"),
                func.count().over(partition_by=ScopeKpi.tenant_id).label("whole"),
            )
            .join(
                Scope, (Scope.tenant_id == ScopeKpi.tenant_id) & (Scope.id == ScopeKpi.scope_id)
            )
            .join(
                ScopeLook,
                (ScopeLook.tenant_id == ScopeKpi.tenant_id) & (ScopeLook.kpi_id == ScopeKpi.id),
            )
            .subquery()
        )  # fmt: skip
        async with self._database.session(ALL_TENANTS) as session:
            names = {id_: name for name, id_ in (await identity.tenants(session)).items()}
            rows = await session.execute(select(ranked).where(ranked.c.place <= MOST_SHOWN))
        found = _Counted(figures={name: {} for name in _FAMILIES})
        for row in rows:
            labels = (names.get(row.tenant_id, ""), row.scope, row.kpi)
            figures = (
                row.value, row.threshold, row.target, row.known == Standing.MISSED,
                row.value is None, row.measured,
            )  # fmt: skip
            for name, value in zip(_FAMILIES, figures, strict=True):
                if value is not None:
                    found.figures[name][labels] = float(value)
            found.left_out[labels[0]] = max(row.whole - MOST_SHOWN, 0)
        self._counted = found
