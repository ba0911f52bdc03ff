"""Adherence as Prometheus gauges, by kind and tenant, counted every so often."""

import logging
from collections import Counter

from prometheus_client import CollectorRegistry, Gauge

from app import identity
from app.activation import Signal
from app.platform.db import ALL_TENANTS, Database
from app.revalidation import schedule
from app.revalidation.adherence import Kind, findings
from app.revalidation.gaps import open_signals
from app.revalidation.terms import State

logger = logging.getLogger(__name__)


class Gauges:
    """Counts every tenant's findings, terms and gaps; a scrape reads the last count."""

    every_seconds = 60.0

    def __init__(self, database: Database, registry: CollectorRegistry) -> None:
        self._database = database
        self._gauge = Gauge(
            "modelward_adherence_findings", "Gaps between policy and production, by kind.",
            ["tenant", "kind"], registry=registry,
        )  # fmt: skip
        self._terms = Gauge(
            "modelward_revalidations", "Versions in a seat, by how near their revalidation is.",
            ["tenant", "state"], registry=registry,
        )  # fmt: skip
        self._gaps = Gauge(
            "modelward_telemetry_gaps", "Telemetry that policy asks for and that does not arrive.",
            ["tenant", "signal"], registry=registry,
        )  # fmt: skip

    async def count(self) -> None:
        """Count every tenant's findings once."""
        async with self._database.session(ALL_TENANTS) as session:
            tenants = await identity.tenants(session)
        for name, tenant_id in tenants.items():
            async with self._database.snapshot(tenant_id) as session:
                counted = Counter(item.kind for item in await findings(session, tenant_id))
                terms = Counter([item.state async for item in schedule.each(session, tenant_id)])
                gaps = Counter(await open_signals(session, tenant_id))
            for kind in Kind:
                self._gauge.labels(name, kind.value).set(counted[kind])
            for state in State:
                self._terms.labels(name, state.value).set(terms[state])
            for signal in Signal:
                self._gaps.labels(name, signal.value).set(gaps[signal])
