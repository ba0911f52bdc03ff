"""Alerts and windows as Prometheus metrics, counted every so often.

Nothing is by variable, unit or decision point: a tenant has as many series as there are severities
and states, and those of the standing states alone.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from app import catalog, identity
from app.drift import silences
from app.drift.alert_rules import STANDING, AlertKind, Severity
from app.drift.alert_tables import Episode
from app.drift.tables import Alert, Window
from app.platform.db import ALL_TENANTS, Database, clock

EVERY_SECONDS = 15.0
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

    def __init__(self, database: Database, registry: CollectorRegistry) -> None:
        self._database = database
        self._alerts = Gauge(
            "modelward_alerts", "Alerts that are not resolved.",
            ["tenant", "kind", "severity", "state"], registry=registry,
        )  # fmt: skip
        self._silenced = Gauge(
            "modelward_alerts_silenced", "Of them, those that a silence keeps from being told.",
            ["tenant"], registry=registry,
        )  # fmt: skip
        self._age = Gauge(
            "modelward_drift_newest_window_age_seconds", "Since a window was last examined.",
            ["tenant"], registry=registry,
        )  # fmt: skip
        self._examined = _Examined(registry)

    async def count_forever(self) -> None:
        """Count until cancelled; while the database is away the last count stands."""
        while True:
            with suppress(SQLAlchemyError, OSError):
                await self.count()
            await asyncio.sleep(EVERY_SECONDS)

    async def count(self) -> None:
        """Count every tenant's once, by three statements for all of them."""
        standing = (Episode.tenant_id == Alert.tenant_id) & (Episode.alert_id == Alert.id)
        async with self._database.session(ALL_TENANTS) as session:
            tenants = await identity.tenants(session)
            alerts = await session.execute(
                select(Alert.tenant_id, Alert.kind, Episode.severity, Episode.state, func.count())
                .join(Episode, standing)
                .where(Episode.resolved_at.is_(None))
                .group_by(Alert.tenant_id, Alert.kind, Episode.severity, Episode.state)
            )
            counted = Counter({tuple(row[:4]): row[4] for row in alerts})
            muted = await session.execute(
                select(Alert.tenant_id, func.count())
                .join(Episode, standing)
                .join(
                    catalog.Version,
                    (catalog.Version.tenant_id == Alert.tenant_id)
                    & (catalog.Version.id == Alert.version_id),
                )
                .where(Episode.resolved_at.is_(None), silences.muting())
                .group_by(Alert.tenant_id)
            )
            silenced = {row[0]: row[1] for row in muted}
            windows = await session.execute(
                select(Window.tenant_id, func.count(), func.max(Window.examined_at)).group_by(
                    Window.tenant_id
                )
            )
            seen = {tenant_id: (count, newest) for tenant_id, count, newest in windows}
            now = await clock(session)
        for name, tenant_id in tenants.items():
            for kind in AlertKind:
                for severity in Severity:
                    for state in _STATES:
                        value = counted[tenant_id, kind, severity, state]
                        self._alerts.labels(name, kind, severity, state).set(value)
            self._silenced.labels(name).set(silenced.get(tenant_id, 0))
            if tenant_id in seen:
                count, newest = seen[tenant_id]
                self._examined.by_tenant[name] = count
                self._age.labels(name).set((now - newest).total_seconds())
