"""Couriers against a database of their own: scale, leases, fences, patience, a restored backup."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from app.bus import make_bus
from app.identity import Role
from app.kit.actor import Actor
from app.notifications.courier import Courier
from app.notifications.deliveries import Answer, Patience, Turn, arrived, failed, pack
from app.notifications.webhooks import create_webhook
from app.platform.db import Database
from app.platform.outbound import Outbound
from app.platform.settings import Settings
from tests.notifications.sinks import HANG, Sink, sink
from tests.tenants import make_tenant

pytestmark = pytest.mark.anyio

SETTINGS = Settings(
    outbound_loopback=True,
    webhook_timeout_seconds=2.0,  # on a busy machine a good answer takes a while too
    webhook_retry_seconds=0.2,
    pool_wait_seconds=10,
)
MANY = 10_000
EVENT = "made.up"
AN_HOUR = timedelta(hours=1)


@pytest.fixture
async def db(empty_database: str) -> AsyncIterator[Database]:
    found = Database(empty_database, SETTINGS, make_bus())
    yield found
    await found.close()


@pytest.fixture
def rows(empty_database: str) -> Iterator["psycopg.Connection[Any]"]:
    """The database as a superuser sees it."""
    with psycopg.connect(empty_database, autocommit=True) as connection:
        yield connection


async def tenant_of(rows: "psycopg.Connection[Any]", url: str) -> UUID:
    await make_tenant(url, {"administrator": {Role.ADMINISTRATOR}})
    row = rows.execute("SELECT id FROM identity_tenant").fetchone()
    assert row is not None
    found: UUID = row[0]
    return found


async def receive(db: Database, tenant: UUID, *sinks: Sink) -> list[UUID]:
    """Make a webhook for each receiver."""
    made = []
    async with db.transaction(tenant) as session:
        for item in sinks:
            webhook, _ = await create_webhook(
                session, url=item.url, types=[EVENT], description="", by=Actor.system(tenant)
            )
            made.append(webhook.id)
    return made


def happen(rows: "psycopg.Connection[Any]", tenant: UUID, number: int, *, first: int = 0) -> None:
    rows.execute(
        "INSERT INTO notifications_outbox (tenant_id, id, type, data)"
        " SELECT %s, gen_random_uuid(), %s, jsonb_build_object('n', n)"
        " FROM generate_series(%s::int, %s::int) AS n",
        (tenant, EVENT, first, first + number - 1),
    )


@asynccontextmanager
async def delivering(db: Database, *, couriers: int = 1) -> AsyncIterator[list[Courier]]:
    """Couriers at work until the block ends."""
    found = [Courier(db, Outbound(SETTINGS), SETTINGS) for _ in range(couriers)]
    tasks = [asyncio.create_task(item.run()) for item in found]
    try:
        yield found
    finally:
        for item in found:
            item.stop()
        await asyncio.gather(*tasks)


async def until(true: Any, *, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def numbers(found: Sink) -> list[int]:
    return [message.event["data"]["n"] for message in found.got]


def progress(rows: "psycopg.Connection[Any]", webhook: UUID) -> Any:
    query = (
        "SELECT p.*, w.active, w.disabled FROM notifications_progress p"
        " JOIN notifications_webhook w ON w.id = p.webhook_id WHERE p.webhook_id = %s"
    )
    cursor = rows.execute(query, (webhook,))
    row = cursor.fetchone()
    assert row is not None
    assert cursor.description is not None
    return dict(zip([column.name for column in cursor.description], row, strict=True))


async def test_ten_thousand_that_wait_for_the_dead_keep_nobody_else_waiting(
    db: Database, empty_database: str, rows: "psycopg.Connection[Any]"
) -> None:
    tenant = await tenant_of(rows, empty_database)
    with sink(HANG) as dead, sink() as good:
        (first,) = await receive(db, tenant, dead)
        happen(rows, tenant, MANY)
        (second,) = await receive(db, tenant, good)
        async with delivering(db):
            await until(lambda: progress(rows, first)["failures"] >= 3)
            begun = time.monotonic()
            happen(rows, tenant, 50, first=MANY)
            await until(lambda: len(good.got) >= 50)
            took = time.monotonic() - begun
        held = progress(rows, first)
        waiting = rows.execute(
            "SELECT count(*) FROM notifications_delivery WHERE webhook_id = %s", (first,)
        ).fetchone()

    assert numbers(good) == list(range(MANY, MANY + 50))
    assert took < 5
    # The feed waits for the dead one, not a row for each event.
    assert waiting is not None
    assert waiting[0] <= 200
    assert held["resume_at"] is not None
    assert progress(rows, second)["failures"] == 0


async def test_two_couriers_send_each_event_once_and_in_order(
    db: Database, empty_database: str, rows: "psycopg.Connection[Any]"
) -> None:
    tenant = await tenant_of(rows, empty_database)
    with sink() as one, sink() as two:
        await receive(db, tenant, one, two)
        happen(rows, tenant, 100)
        async with delivering(db, couriers=2):
            await until(lambda: len(one.got) >= 100 and len(two.got) >= 100)

    assert numbers(one) == numbers(two) == list(range(100))


async def test_one_bad_event_does_not_keep_the_next_ones_back(
    db: Database, empty_database: str, rows: "psycopg.Connection[Any]"
) -> None:
    tenant = await tenant_of(rows, empty_database)
    with sink(500, 200) as moody:
        await receive(db, tenant, moody)
        happen(rows, tenant, 5)
        async with delivering(db):
            await until(lambda: len(moody.got) >= 6)

    assert sorted(numbers(moody)) == [0, 0, 1, 2, 3, 4]
    assert numbers(moody)[:2] == [0, 1]


async def test_who_was_held_up_writes_nothing_once_another_has_the_turn(
    db: Database, empty_database: str, rows: "psycopg.Connection[Any]"
) -> None:
    tenant = await tenant_of(rows, empty_database)
    patience = Patience(1.0, failing=AN_HOUR)
    with sink() as good:
        (webhook,) = await receive(db, tenant, good)
        happen(rows, tenant, 1)
        rows.execute("UPDATE notifications_progress SET fence = 7")
        async with db.transaction(tenant) as session:
            packed = await pack(session, Turn(tenant, webhook, 7))
        assert packed is not None
        (parcel,) = packed.parcels
        rows.execute("UPDATE notifications_progress SET fence = 8")
        async with db.transaction(tenant) as session:
            late = [
                await failed(
                    session, Turn(tenant, webhook, 7), parcel.delivery_id, Answer(500, None),
                    lease=AN_HOUR, patience=patience, luck=0.5,
                ),
                await arrived(
                    session, Turn(tenant, webhook, 7), parcel.delivery_id, 204, lease=AN_HOUR
                ),
            ]  # fmt: skip
        async with db.transaction(tenant) as session:
            early = await pack(session, Turn(tenant, webhook, 7))
        state = rows.execute("SELECT state, attempts FROM notifications_delivery").fetchall()

    assert (late, early) == ([False, False], None)
    assert state == [("pending", 0)]
    assert progress(rows, webhook)["failures"] == 0


async def test_what_was_on_its_way_in_a_courier_that_died_comes_again_under_its_id(
    db: Database, empty_database: str, rows: "psycopg.Connection[Any]"
) -> None:
    tenant = await tenant_of(rows, empty_database)
    with sink(HANG, 204) as slow:
        await receive(db, tenant, slow)
        happen(rows, tenant, 1)
        dying = asyncio.create_task(Courier(db, Outbound(SETTINGS), SETTINGS).run())
        await until(lambda: slow.got)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            if task is dying or "Courier" in repr(task.get_coro()):
                task.cancel()
        await asyncio.gather(dying, return_exceptions=True)
        async with delivering(db):
            await until(lambda: len(slow.got) >= 2)

    assert len({message.id for message in slow.got}) == 1


async def test_who_takes_nothing_for_days_is_switched_off_and_it_is_told(
    db: Database, empty_database: str, rows: "psycopg.Connection[Any]"
) -> None:
    tenant = await tenant_of(rows, empty_database)
    with sink(503) as down:
        (webhook,) = await receive(db, tenant, down)
        happen(rows, tenant, 3)
        async with delivering(db):
            await until(lambda: progress(rows, webhook)["failures"] >= 1)
            # And whatever it rests for by now is over.
            rows.execute(
                "UPDATE notifications_progress"
                " SET failing_since = now() - interval '6 days', resume_at = NULL"
            )
            rows.execute("UPDATE notifications_delivery SET due_at = now()")
            await until(lambda: not progress(rows, webhook)["active"])

    assert progress(rows, webhook)["disabled"] == "failing"
    told = rows.execute(
        "SELECT data ->> 'reason' FROM notifications_outbox WHERE type = %s",
        ("notifications.webhook.disabled",),
    ).fetchall()
    logged = rows.execute("SELECT count(*) FROM audit_entry WHERE action = 'webhook.disabled'")
    assert (told, logged.fetchone()) == ([("failing",)], (1,))


async def test_a_restored_backup_sends_nothing_under_a_new_id(
    db: Database, empty_database: str, rows: "psycopg.Connection[Any]"
) -> None:
    """What a backup takes away of the notes is sent again, as what it was."""
    tenant = await tenant_of(rows, empty_database)
    with sink() as good:
        await receive(db, tenant, good)
        happen(rows, tenant, 5)
        async with delivering(db):
            await until(lambda: len(good.got) >= 5)
        first = [message.id for message in good.got]
        rows.execute("DELETE FROM notifications_delivery")
        rows.execute("UPDATE notifications_progress SET position = 0")
        async with delivering(db):
            await until(lambda: len(good.got) >= 10)

    assert [message.id for message in good.got] == first * 2
