"""The rota: each job is done when it is due, by one worker of all, whatever the others do."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from app.bus import make_bus
from app.platform.db import ALL_TENANTS, Database
from app.platform.rota import Job, Rota
from app.platform.rota_gauges import RotaGauges
from app.platform.settings import Settings
from tests.conftest import named

pytestmark = pytest.mark.anyio


@pytest.fixture
async def databases(empty_database: str) -> AsyncIterator[list[Database]]:
    """Two workers' ways to one database."""
    found = [Database(empty_database, Settings(), make_bus()) for _ in range(2)]
    yield found
    for database in found:
        await database.close()


@asynccontextmanager
async def at_work(*rotas: Rota) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(rota.run()) for rota in rotas]
    try:
        yield
    finally:
        for rota in rotas:
            rota.stop()
        await asyncio.gather(*tasks)


def counting(
    seen: list[str], name: str, then: Callable[[], Awaitable[object]] | None = None
) -> Job:
    async def job(_: Database) -> None:
        seen.append(name)
        if then is not None:
            await then()

    return job


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - whatever the test waits for
            await asyncio.sleep(0.05)


async def test_two_workers_do_a_job_once_each_time_that_it_is_due(
    databases: list[Database],
) -> None:
    seen: list[str] = []
    rotas = [Rota(database) for database in databases]
    for number, rota in enumerate(rotas):
        rota.every(59, "rare", counting(seen, "rare"))
        rota.every(1, "often", counting(seen, f"often {number}"))

    async with at_work(*rotas):
        await until(lambda: len(seen) >= 5)

    assert seen.count("rare") == 1


async def test_a_job_that_fails_is_done_again_and_stops_no_other(databases: list[Database]) -> None:
    seen: list[str] = []

    async def fail() -> None:
        raise ValueError("as planned")

    rota = Rota(databases[0])
    rota.every(1, "failing", counting(seen, "failing", fail))
    rota.every(1, "other", counting(seen, "other"))

    async with at_work(rota):
        await until(lambda: min(seen.count("failing"), seen.count("other")) >= 2)


async def test_a_job_that_hangs_is_not_begun_again_here_but_elsewhere(
    databases: list[Database],
) -> None:
    seen: list[str] = []
    held = asyncio.Event()
    here, elsewhere = (Rota(database) for database in databases)
    here.every(1, "job", counting(seen, "here", held.wait))
    here.every(1, "waits", counting(seen, "waits", held.wait), at_once=2)
    elsewhere.every(1, "job", counting(seen, "elsewhere"))

    async with at_work(here):
        await until(lambda: seen.count("waits") == 2)
        async with at_work(elsewhere):
            await until(lambda: seen.count("elsewhere") >= 2)
        begun = list(seen)
        held.set()

    assert (begun.count("here"), begun.count("waits")) == (1, 2)


async def test_a_clock_that_is_set_back_keeps_nothing_waiting(databases: list[Database]) -> None:
    seen: list[str] = []
    rota = Rota(databases[0])
    rota.every(1, "often", counting(seen, "often"))
    rota.every(3600, "rare", counting(seen, "rare"))
    async with at_work(rota):
        await until(lambda: "rare" in seen)
    async with databases[0].transaction(ALL_TENANTS) as session:
        await session.execute(text("UPDATE platform_rota SET due = due + interval '1 day'"))
    seen.clear()

    async with at_work(rota := Rota(databases[0])):
        rota.every(1, "often", counting(seen, "often"))
        rota.every(3600, "rare", counting(seen, "rare"))
        await until(lambda: seen.count("often") >= 3)

    assert seen.count("rare") == 1


async def test_what_is_done_what_fails_and_what_nobody_does_is_told_to_prometheus(
    databases: list[Database],
) -> None:
    registry = CollectorRegistry()
    gauges = RotaGauges(databases[1], registry)

    async def fail() -> None:
        raise ValueError("as planned")

    def figure(name: str, job: str) -> float | None:
        return registry.get_sample_value(f"modelward_job_{name}", {"job": job})

    seen: list[str] = []
    rota = Rota(databases[0])
    rota.every(1, "done", counting(seen, "done"))
    rota.every(1, "failing", counting(seen, "failing", fail))
    async with at_work(rota):
        await until(lambda: seen.count("failing") >= 4)
    async with databases[0].transaction(ALL_TENANTS) as session:
        await session.execute(text("UPDATE platform_rota SET done_at = done_at - interval '1 h'"))
    await gauges.count()

    assert (figure("failures_total", "done"), figure("late_seconds", "nosuch")) == (0, None)
    assert (figure("failures_total", "failing") or 0) >= 2
    assert 3590 < (figure("late_seconds", "done") or 0) < 3700
    assert 3590 < (figure("late_seconds", "failing") or 0) < 3700

    async with at_work(after := Rota(databases[0])):
        after.every(1, "done", counting(seen, "done"))
        begun = seen.count("done")
        await until(lambda: seen.count("done") >= begun + 2)
    await gauges.count()
    assert (figure("late_seconds", "done"), figure("late_seconds", "failing")) == (0, None)


async def test_what_is_begun_is_finished_when_a_worker_stops(databases: list[Database]) -> None:
    seen: list[str] = []

    async def finish() -> None:
        await asyncio.sleep(0.5)
        seen.append("finished")

    rota = Rota(databases[0])
    rota.every(1, "job", counting(seen, "begun", finish))

    async with at_work(rota):
        await until(lambda: bool(seen))

    assert seen == ["begun", "finished"]


async def test_a_connection_that_is_lost_is_made_anew(
    databases: list[Database], cluster_url: str
) -> None:
    seen: list[str] = []
    rota = Rota(databases[0])
    rota.every(1, "job", counting(seen, "job"))

    async with at_work(rota):
        await until(lambda: bool(seen))
        with psycopg.connect(named(cluster_url, "postgres"), autocommit=True) as admin:
            ended = admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s AND query LIKE %s",
                (psycopg.conninfo.conninfo_to_dict(databases[0].url)["dbname"], "%platform_rota%"),
            ).rowcount
        before = len(seen)
        await until(lambda: len(seen) >= before + 2)

    assert ended >= 1
