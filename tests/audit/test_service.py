"""Recording by many at once, and edits by somebody whom no permission stops."""

import asyncio
import random
from collections.abc import AsyncIterator

import psycopg
import pytest

from app import audit
from app.bus import make_bus
from app.platform.db import Database
from app.platform.settings import Settings
from tests.audit.logs import ACTOR, OTHER, STREAM, TENANT, as_superuser, faults, verified

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database(empty_database: str) -> AsyncIterator[Database]:
    found = Database(empty_database, Settings(pool_wait_seconds=10), make_bus())
    yield found
    await found.close()


@pytest.fixture
async def written(database: Database) -> Database:
    """Five entries in each of two streams."""
    for number in range(1, 6):
        async with database.transaction(TENANT) as session:
            for stream in (STREAM, OTHER):
                await audit.record(session, ACTOR, "version.edited", stream, number=number)
    assert (await verified(database)).ok
    return database


def sequence(url: str, stream: str) -> list[int]:
    query = "SELECT seq FROM audit_entry WHERE stream = %s ORDER BY seq"
    with psycopg.connect(url) as connection:
        return [int(row[0]) for row in connection.execute(query, (stream,))]


async def test_concurrent_writers_of_one_stream_leave_an_unbroken_chain(database: Database) -> None:
    rng = random.Random(11)
    kept = 0

    async def write(writer: int) -> None:
        nonlocal kept
        for act in range(6):
            entries, regret = rng.randint(1, 3), rng.random() < 0.25
            async with database.session(TENANT) as session:
                for part in range(entries):
                    await audit.record(session, ACTOR, "act", STREAM, by=writer, act=act, part=part)
                    await asyncio.sleep(rng.random() / 200)
                await (session.rollback() if regret else session.commit())
            kept += 0 if regret else entries

    await asyncio.gather(*(write(writer) for writer in range(8)))
    report = await verified(database)

    assert report.ok
    assert sequence(database.url, STREAM) == list(range(1, kept + 1))
    assert report.entries == kept > 30


async def test_an_act_that_is_rolled_back_leaves_no_entry_and_no_gap(written: Database) -> None:
    async with written.session(TENANT) as session:
        await audit.record(session, ACTOR, "act", STREAM)
        await session.rollback()
    async with written.transaction(TENANT) as session:
        await audit.record(session, ACTOR, "act", STREAM)

    assert (await verified(written)).ok
    assert sequence(written.url, STREAM) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    "change",
    [
        "action = 'version.deleted'",
        "personal = replace(personal, 'dana', 'nobody')",
        "salt = NULL",
        "body = replace(body, '3', '4')",
        "version_id = gen_random_uuid()",
        "actor_id = gen_random_uuid()",
        "at = at + interval '1 microsecond'",
        "details = '{\"number\": 4}'",
        "hash = sha256('x')",
    ],
)
async def test_an_edited_entry_is_named(written: Database, change: str) -> None:
    as_superuser(
        written.url, f"UPDATE audit_entry SET {change} WHERE stream = '{STREAM}' AND seq = 3"
    )

    assert faults(await verified(written)) == [(STREAM, 3)]


@pytest.mark.parametrize(
    ("condition", "first"),
    [("seq = 1", 1), ("seq = 3", 3), ("seq IN (2, 4)", 2), ("seq >= 4", 4), ("seq > 0", 1)],
)
async def test_the_first_deleted_entry_is_named_the_last_ones_too(
    written: Database, condition: str, first: int
) -> None:
    as_superuser(written.url, f"DELETE FROM audit_entry WHERE stream = '{STREAM}' AND {condition}")

    assert faults(await verified(written)) == [(STREAM, first)]
    assert faults(await verified(written, batch=2)) == [(STREAM, first)]


async def test_two_entries_that_changed_places_are_named_at_the_earlier(written: Database) -> None:
    where = f"WHERE stream = '{STREAM}' AND seq ="
    as_superuser(
        written.url,
        f"UPDATE audit_entry SET seq = 99 {where} 2",
        f"UPDATE audit_entry SET seq = 2 {where} 4",
        f"UPDATE audit_entry SET seq = 4 {where} 99",
    )

    assert faults(await verified(written)) == [(STREAM, 2)]


async def test_a_truncated_log_and_a_head_set_back_with_it_do_not_pass(written: Database) -> None:
    as_superuser(
        written.url,
        f"DELETE FROM audit_entry WHERE stream = '{STREAM}' AND seq >= 4",
        f"UPDATE audit_stream SET seq = 3 WHERE name = '{STREAM}'",
    )

    assert faults(await verified(written)) == [(STREAM, 3)]


async def test_an_entry_slipped_in_behind_the_last_is_named(written: Database) -> None:
    as_superuser(
        written.url,
        "INSERT INTO audit_entry (tenant_id, stream, seq, at, actor_id, actor_name, action,"
        " details, hash) SELECT tenant_id, stream, 6, at, actor_id, actor_name, 'case.approved',"
        f" details, hash FROM audit_entry WHERE stream = '{STREAM}' AND seq = 5",
    )

    assert faults(await verified(written)) == [(STREAM, 6)]


async def test_each_of_two_broken_streams_is_named_once(written: Database) -> None:
    as_superuser(
        written.url,
        f"DELETE FROM audit_entry WHERE stream = '{OTHER}' AND seq = 2",
        f"UPDATE audit_entry SET action = 'x' WHERE stream = '{STREAM}' AND seq > 3",
    )

    assert faults(await verified(written)) == [(OTHER, 2), (STREAM, 4)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET actor_name = 'nobody' WHERE seq = 1",
        "UPDATE audit_entry SET personal = '{}' WHERE seq = 1",
        "UPDATE audit_entry SET personal = NULL, salt = NULL, action = 'x' WHERE seq = 1",
        "DELETE FROM audit_entry WHERE seq = 5",
        "TRUNCATE audit_entry",
    ],
)
async def test_plain_sql_changes_nothing(written: Database, statement: str) -> None:
    with (
        psycopg.connect(written.url) as connection,
        pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="never changed"),
    ):
        connection.execute(statement)

    assert (await verified(written)).entries == 10


async def test_a_log_that_is_written_meanwhile_is_not_called_broken(written: Database) -> None:
    stop = asyncio.Event()

    async def write() -> None:
        while not stop.is_set():
            async with written.transaction(TENANT) as session:
                await audit.record(session, ACTOR, "act", STREAM)

    writing = asyncio.create_task(write())
    try:
        reports = [await verified(written, batch=1) for _ in range(5)]
    finally:
        stop.set()
        await writing

    assert [faults(report) for report in reports] == [[]] * 5
