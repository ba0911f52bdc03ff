"""Adherence as Prometheus gauges: findings by kind and tenant, counted every so often."""

import asyncio
import logging
from collections import Counter
from contextlib import suppress

from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy.exc import SQLAlchemyError

from app import identity
from app.platform.db import ALL_TENANTS, Database
from app.revalidation.adherence import Kind, findings

logger = logging.getLogger(__name__)

EVERY_SECONDS = 60.0


class Gauges:
    """Counts every tenant's findings; a scrape reads the last count."""

    def __init__(self, database: Database, registry: CollectorRegistry) -> None:
        self._database = database
        self._gauge = Gauge(
            "modelward_adherence_findings", "Gaps between policy and production, by kind.",
            ["tenant", "kind"], registry=registry,
        )  # fmt: skip

    async def count_forever(self) -> None:
        """Count until cancelled; while the database is away the last count stands."""
        while True:
            with suppress(SQLAlchemyError, OSError):
                await self.count()
            await asyncio.sleep(EVERY_SECONDS)

    async def count(self) -> None:
        """Count every tenant's findings once."""
        async with self._database.session(ALL_TENANTS) as session:
            tenants = await identity.tenants(session)
        for name, tenant_id in tenants.items():
            async with self._database.snapshot(tenant_id) as session:
                counted = Counter(item.kind for item in await findings(session, tenant_id))
            for kind in Kind:
                self._gauge.labels(name, kind.value).set(counted[kind])
