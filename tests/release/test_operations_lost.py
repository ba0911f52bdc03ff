"""Workers die and wake late: an operation is done once, and by who has it."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from app.bus import make_bus
from app.platform.db import Database
from app.platform.settings import Settings
from app.release import integration_runs, operations
from app.release.tables import Operation
from tests.conftest import home
from tests.live import Live, start
from tests.release import endpoints
from tests.release.endpoints import Endpoint, served
from tests.release.test_operations_live import asked, done, opened
from tests.system.processes import wait_worker, worker_of
from tests.tenants import database_of


@pytest.fixture(scope="module")
def near() -> Iterator[Live]:
    with home() as directory, start(directory, outbound_loopback="true") as found:
        yield found


def begun(near: Live, endpoint: Endpoint, **changes: Any) -> tuple[Any, Any]:
    """A run that a worker has in hand: its case and its operation."""
    case = opened(near)
    path = f"/v1/releases/{case['id']}/integration-runs"
    operation = near["dev"].post(path, asked(endpoint.url, **changes))
    until = time.monotonic() + 20
    while not endpoint.asked:
        assert time.monotonic() < until, "no worker began it"
        time.sleep(0.05)
    return case, operation


def lapse(near: Live) -> None:
    """Let every lease be over."""
    with psycopg.connect(database_of(near)) as connection:
        connection.execute(
            "UPDATE release_operation SET lease_until = now() - interval '1 s'"
            " WHERE lease_until IS NOT NULL"
        )


def test_a_run_outlives_its_worker_and_is_evidence_once(near: Live) -> None:
    with served(endpoints.slow) as endpoint:
        load = {"requests": 60, "concurrency": 1}
        case, operation = begun(near, endpoint, load=load)
        dead = worker_of(near.process.pid)
        assert dead is not None
        os.kill(dead, signal.SIGKILL)
        wait_worker(near.process.pid, other_than=dead)
        lapse(near)
        found = done(near["dev"], operation)

    assert found["state"] == "succeeded", found
    assert len(near["dev"].get(f"/v1/cases/{case['id']}")["evidence"]) == 1
    with psycopg.connect(database_of(near)) as connection:
        row = connection.execute(
            "SELECT fence, losses FROM release_operation WHERE id = %s", [operation["id"]]
        ).fetchone()
    assert row == (2, 1)


def test_who_wakes_late_writes_nothing(near: Live) -> None:
    with served(endpoints.hanging) as endpoint:
        case, operation = begun(near, endpoint, timeout_ms=30_000)
        facts = {"endpoint": "e", "cases": 1, "failures": 0, "p99_ms": 1.0}
        tenant = near["dev"].get("/v1/me")["tenant_id"]

        async def late(database: Database) -> tuple[bool, list[Operation]]:
            async with database.session(UUID(tenant)) as session:
                stale = await session.get_one(Operation, (UUID(tenant), UUID(operation["id"])))
            stale.fence -= 1
            await integration_runs.finish(database, stale, facts)
            renewed = await operations.renew(database, stale, {"stage": "late"})
            return renewed, await operations.claim(database, most=4, held={}, each=4)

        renewed, claimed = with_database(near, late)
        now = near["dev"].get(f"/v1/operations/{operation['id']}")
        near["dev"].post(f"/v1/operations/{operation['id']}:cancel")

    assert (renewed, claimed) == (False, [])
    assert (now["state"], now["result"]) == ("running", None)
    assert now["progress"].get("stage") != "late"
    assert near["dev"].get(f"/v1/cases/{case['id']}")["evidence"] == []


def with_database(near: Live, act: Callable[[Database], Any]) -> Any:
    async def run() -> Any:
        database = Database(database_of(near), Settings(), make_bus())
        try:
            return await act(database)
        finally:
            await database.close()

    return asyncio.run(run())
