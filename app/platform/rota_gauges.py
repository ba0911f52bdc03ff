"""The worker's jobs as Prometheus metrics, read where they are kept: which of them is done no more.

A worker that has died, or a job that fails each time, is seen by nothing else: what it would have
said is only missing.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import text

from app.platform.db import ALL_TENANTS, Database

_JOBS = text("""
SELECT name, failures,
    greatest(0, extract(epoch FROM clock_timestamp() - done_at) - seconds)::float8 AS late
FROM platform_rota WHERE done_at IS NOT NULL ORDER BY name
""")


class _Kept(NamedTuple):
    name: str
    failures: int
    late: float


class RotaGauges(Collector):
    """Reads how late each job is, and how often it has failed; a scrape shows the last reading."""

    every_seconds = 30.0

    def __init__(self, database: Database, registry: CollectorRegistry) -> None:
        self._database = database
        self._kept: Sequence[_Kept] = ()
        registry.register(self)

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """Yield two figures a job."""
        late = GaugeMetricFamily(
            "modelward_job_late_seconds",
            "How long ago a worker's job should have been done.", labels=["job"],
        )  # fmt: skip
        failures = CounterMetricFamily(
            "modelward_job_failures", "How often a worker's job has failed.", labels=["job"]
        )
        for one in self._kept:
            late.add_metric([one.name], one.late)
            failures.add_metric([one.name], one.failures)
        yield from (late, failures)

    async def count(self) -> None:
        """Read once."""
        async with self._database.session(ALL_TENANTS) as session:
            self._kept = [_Kept(*row) for row in await session.execute(_JOBS)]
