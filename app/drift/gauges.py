"""Alerts and windows as Prometheus metrics, counted every so often.

Nothing is by variable, unit or decision point: a tenant has as many series as there are kinds,
severities and standing states, silenced or not, and as many that were told: 126.

A silence keeps an alert from being told, so what was told before stays told: who is told by
Prometheus counts those, or a silence would look to him like the end of it.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import product
from typing import Any

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from app import catalog, identity
from app.drift import silences
from app.drift.alert_rules import STANDING, AlertKind, Severity
from app.drift.alert_tables import Episode
from app.drift.tables import Alert, Window
from app.platform.db import ALL_TENANTS, Database, clock

_STATES = tuple(sorted(STANDING))


class _Examined(Collector):
    """How many windows were examined, by whichever worker: the rows are counted, not the steps."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.by_tenant: dict[str, int] = {}
        registry.register(self)

    def collect(self) -> Iterator[CounterMetricFamily]:
        found = CounterMetricFamily(
            "modelward_drift_windows_examined", "Windows examined for drift.", labels=["tenant"]
        )
        for tenant, count in list(self.by_tenant.items()):
            found.add_metric([tenant], count)
        yield found


class AlertGauges:
    """Counts every tenant's alerts and windows; a scrape reads the last count."""

    every_seconds = 15.0

    def __init__(self, database: Database, registry: CollectorRegistry) -> None:
        self._database = database
        self._alerts = Gauge(
            "modelward_alerts", "Alerts that are not resolved.",
            ["tenant", "kind", "severity", "state", "silenced"], registry=registry,
        )  # fmt: skip
        self._told = Gauge(
            "modelward_alerts_told", "Alerts that were told and are not resolved, silenced or not.",
            ["tenant", "kind", "severity", "state"], registry=registry,
        )  # fmt: skip
        self._age = Gauge(
            "modelward_drift_newest_window_age_seconds", "Since a window was last examined.",
            ["tenant"], registry=registry,
        )  # fmt: skip
        self._examined = _Examined(registry)

    async def count(self) -> None:
        """Count every tenant's once, by two statements for all of them."""
        standing = (
            select(
                Alert.tenant_id, Alert.kind, Episode.severity, Episode.state,
                silences.muting().label("silenced"), Episode.told_at.is_not(None).label("told"),
            )
            .join(
                Episode,
                (Episode.tenant_id == Alert.tenant_id) & (Episode.alert_id == Alert.id),
            )
            .join(
                catalog.Version,
                (catalog.Version.tenant_id == Alert.tenant_id)
                & (catalog.Version.id == Alert.version_id),
            )
            .where(Episode.resolved_at.is_(None))
            .subquery()
        )  # fmt: skip
        examined = select(Window.tenant_id, func.count(), func.max(Window.examined_at))
        async with self._database.session(ALL_TENANTS) as session:
            tenants = await identity.tenants(session)
            alerts = await session.execute(select(*standing.c, func.count()).group_by(*standing.c))
            counted, told = Counter[Any](), Counter[Any]()
            for *said, was_told, number in alerts:
                counted[tuple(said)] += number
                if was_told:
                    told[tuple(said[:-1])] += number
            windows = await session.execute(examined.group_by(Window.tenant_id))
            seen = {tenant_id: (count, newest) for tenant_id, count, newest in windows}
            now = await clock(session)
        for name, tenant_id in tenants.items():
            for *words, silenced in product(AlertKind, Severity, _STATES, (True, False)):
                labels = (name, *words, str(silenced).lower())
                self._alerts.labels(*labels).set(counted[tenant_id, *words, silenced])
            for key in product(AlertKind, Severity, _STATES):
                self._told.labels(name, *key).set(told[tenant_id, *key])
            if tenant_id in seen:
                count, newest = seen[tenant_id]
                self._examined.by_tenant[name] = count
                self._age.labels(name).set((now - newest).total_seconds())
