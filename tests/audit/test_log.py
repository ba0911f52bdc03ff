"""The log as one sequence: numbered, signed, proved, and what a superuser cannot hide."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app import audit
from app.audit import Signer, merkle, proofs
from app.bus import make_bus
from app.platform.db import Database
from app.platform.settings import Settings
from tests.audit.logs import (
    ACTOR,
    OTHER,
    STREAM,
    TENANT,
    as_superuser,
    faults,
    keep,
    signer_in,
    verified,
    write,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database(empty_database: str) -> AsyncIterator[Database]:
    found = Database(empty_database, Settings(pool_wait_seconds=10), make_bus())
    yield found
    await found.close()


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return signer_in(tmp_path)


@pytest.fixture
async def signed(database: Database, signer: Signer) -> Database:
    """Ten entries of two streams, signed after the sixth and after the tenth."""
    await write(database, 3, streams=(STREAM, OTHER))
    await keep(database, signer)
    await write(database, 2, streams=(STREAM, OTHER))
    await keep(database, signer)
    assert (await verified(database, signer)).ok
    return database


async def leaves(database: Database) -> list[tuple[int, str, int]]:
    query = 'SELECT "index", stream, seq FROM audit_leaf ORDER BY "index"'
    async with await psycopg.AsyncConnection.connect(database.url) as connection:
        cursor = await connection.execute(query)
        return [(row[0], row[1], row[2]) for row in await cursor.fetchall()]


async def test_every_entry_gets_one_place_and_a_stream_keeps_its_order(
    database: Database, signer: Signer
) -> None:
    async def worker() -> None:
        for _ in range(20):
            await audit.sequence(database, signer)
            await asyncio.sleep(0.01)

    writers = [write(database, 8, streams=(f"s:{number}", "s:all")) for number in range(6)]
    await asyncio.gather(worker(), worker(), *writers)
    await keep(database, signer)
    found = await leaves(database)

    assert [row[0] for row in found] == list(range(96))
    for stream in {row[1] for row in found}:
        numbers = [seq for _, name, seq in found if name == stream]
        assert numbers == list(range(1, len(numbers) + 1))
    assert (await verified(database, signer)).ok


async def test_proofs_from_the_database_hold_for_every_entry_and_size(
    database: Database, signer: Signer
) -> None:
    """More than two blocks of 256, so that stored nodes take part."""
    for _ in range(6):
        async with database.transaction(TENANT) as session:
            for _ in range(100):
                await audit.record(session, ACTOR, "act", STREAM)
        await keep(database, signer)

    async with database.snapshot(TENANT) as session:
        for seq in (1, 2, 255, 256, 257, 512, 513, 600):
            for size in (seq, 256, 512, 577, 600):
                if size < seq:
                    continue
                found = await proofs.inclusion(session, ACTOR, STREAM, seq, size)
                assert merkle.proves_inclusion(
                    found["leaf"], found["index"], size, found["path"], found["root"]
                )
        for old in (1, 100, 256, 300, 512, 600):
            grown = await proofs.consistency(session, TENANT, old, 600)
            assert merkle.proves_consistency(
                old, 600, grown["old_root"], grown["root"], grown["path"]
            )
        newest = await proofs.checkpoint(session, TENANT)
    assert (newest.size, newest.root) == (600, grown["root"])
    assert (await verified(database, signer)).checkpoints == 6


async def test_a_size_the_log_never_had_is_refused(signed: Database) -> None:
    async with signed.snapshot(TENANT) as session:
        with pytest.raises(proofs.OutOfRange, match="10 entries, not 11"):
            await proofs.inclusion(session, ACTOR, STREAM, 1, 11)
        with pytest.raises(proofs.OutOfRange, match="after 1"):
            await proofs.inclusion(session, ACTOR, STREAM, 5, 1)
        with pytest.raises(proofs.OutOfRange):
            await proofs.consistency(session, TENANT, 10, 9)


@pytest.mark.parametrize(
    ("statements", "named"),
    [
        # The end of a stream, its head and its places: all cut off.
        (
            [
                f"DELETE FROM audit_entry WHERE stream = '{STREAM}' AND seq >= 4",
                (
                    f"UPDATE audit_stream SET seq = 3, hash = (SELECT hash FROM audit_entry"
                    f" WHERE stream = '{STREAM}' AND seq = 3) WHERE name = '{STREAM}'"
                ),
            ],
            (STREAM, 4),
        ),
        # The last four places with their entries and heads, the newer checkpoint, the size.
        (
            [
                "DELETE FROM audit_entry WHERE seq >= 4",
                (
                    "UPDATE audit_stream SET seq = 3, hash = e.hash FROM audit_entry e"
                    " WHERE e.stream = name AND e.seq = 3"
                ),
                'DELETE FROM audit_leaf WHERE "index" >= 6',
                "DELETE FROM audit_checkpoint WHERE size > 6",
                "UPDATE audit_log SET size = 6",
            ],
            ("log", 7),
        ),
        # Two entries change their places in the log.
        (
            [
                'UPDATE audit_leaf SET "index" = -1 WHERE "index" = 1',
                'UPDATE audit_leaf SET "index" = 1 WHERE "index" = 2',
                'UPDATE audit_leaf SET "index" = 2 WHERE "index" = -1',
            ],
            ("log", 1),
        ),
        (['DELETE FROM audit_leaf WHERE "index" = 7'], ("log", 8)),
        (["UPDATE audit_checkpoint SET note = replace(note, '6', '7') WHERE size = 6"], ("log", 7)),
        (["TRUNCATE audit_entry, audit_stream, audit_leaf, audit_checkpoint"], ("log", 1)),
    ],
)
async def test_what_a_superuser_does_to_the_log_is_found_and_located(
    signed: Database, signer: Signer, statements: list[str], named: tuple[str, int]
) -> None:
    as_superuser(signed.url, *statements)

    assert named in faults(await verified(signed, signer, batch=3))


async def test_an_entry_rewritten_with_all_its_hashes_shows_against_what_was_signed(
    signed: Database, signer: Signer
) -> None:
    """The whole log is made anew, in the database, with one word changed."""
    as_superuser(
        signed.url,
        "TRUNCATE audit_entry, audit_stream, audit_leaf, audit_checkpoint, audit_pending,"
        " audit_log, audit_node",
    )
    forger = signer_in(Path("/nonexistent"))
    await write(signed, 5, streams=(STREAM, OTHER))
    await audit.sequence(signed, forger)

    assert (await verified(signed)).ok
    assert ("log", 1) in faults(await verified(signed, signer))


async def test_a_database_set_back_is_found_and_nothing_more_is_signed(
    database: Database, signer: Signer, cluster_url: str
) -> None:
    await write(database, 3)
    await keep(database, signer)
    name = f"backup_{uuid.uuid4().hex[:8]}"
    original = psycopg.conninfo.conninfo_to_dict(database.url)["dbname"]
    await database.close()
    with psycopg.connect(cluster_url, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{original}"')
    await write(database, 4)
    await keep(database, signer)
    await database.close()
    with psycopg.connect(cluster_url, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE "{original}" WITH (FORCE)')
        admin.execute(f'ALTER DATABASE "{name}" RENAME TO "{original}"')

    assert (await verified(database)).ok
    report = await verified(database, signer)
    assert faults(report) == [("log", 4)]
    assert "4 to 7 are gone" in report.faults[0].reason

    await write(database, 6)
    with pytest.raises(ExceptionGroup) as refusal:
        await audit.sequence(database, signer)
    assert refusal.group_contains(audit.SetBack)
    # What was written since took the numbers of what is gone, and does not pass for it.
    assert ("log", 4) in faults(await verified(database, signer))


@pytest.mark.parametrize(
    "change",
    [
        "details = '[]'",
        "details = ('{\"x\": 1' || repeat('0', 400) || '}')::jsonb",
        "details = (repeat('[', 3000) || repeat(']', 3000))::jsonb",
        "at = 'infinity'",
        "at = '4000-01-01 BC'",
        "actor_name = 'mallory'",
        "salt = NULL",
        "personal = NULL",
        "body = '[]'",
        "body = NULL",
        "personal = 'x'",
    ],
)
async def test_a_row_in_which_anything_stands_is_named_and_never_stumbled_over(
    signed: Database, signer: Signer, change: str
) -> None:
    where = f"WHERE stream = '{STREAM}' AND seq = 2"
    as_superuser(signed.url, f"UPDATE audit_entry SET {change} {where}")

    assert (STREAM, 2) in faults(await verified(signed, signer))


@pytest.mark.parametrize("column", ["hash", "details", "action", "at", "actor_name"])
async def test_nothing_where_something_must_stand_is_named_and_never_stumbled_over(
    signed: Database, signer: Signer, column: str
) -> None:
    as_superuser(
        signed.url,
        f"ALTER TABLE audit_entry ALTER {column} DROP NOT NULL",
        f"UPDATE audit_entry SET {column} = NULL WHERE stream = '{STREAM}' AND seq = 2",
    )

    assert faults(await verified(signed, signer)) == [(STREAM, 2)]


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("UPDATE audit_checkpoint SET note = replace(note, '=', 'ä') WHERE size = 6", 0),
        ("UPDATE audit_checkpoint SET note = '' WHERE size = 6", 0),
        ("UPDATE audit_checkpoint SET size = 5 WHERE size = 6", 5),
        ("UPDATE audit_checkpoint SET root = '' WHERE size = 6", 6),
        ("DELETE FROM audit_checkpoint WHERE size = 6", 6),
        ("UPDATE audit_log SET size = size + 7", 11),
    ],
)
async def test_what_was_signed_cannot_be_edited_either(
    signed: Database, signer: Signer, statement: str, number: int
) -> None:
    as_superuser(signed.url, statement)

    found = [fault.seq for fault in (await verified(signed, signer)).faults]

    assert number in found or (number == 0 and found)


async def test_an_entry_put_up_for_a_second_number_stops_nothing(
    signed: Database, signer: Signer
) -> None:
    as_superuser(signed.url, f"INSERT INTO audit_pending VALUES ('{TENANT}', '{STREAM}', 1)")
    await write(signed, 2)
    await keep(signed, signer)

    report = await verified(signed, signer)
    assert (report.faults, report.size) == ([], 12)


async def test_an_entry_that_was_slipped_past_the_log_is_named(signed: Database) -> None:
    await write(signed, 1)
    as_superuser(signed.url, "DELETE FROM audit_pending")

    report = await verified(signed)

    assert faults(report) == [(STREAM, 6)]
    assert report.faults[0].reason == "the entry has no place in the log"


async def test_personal_data_is_erased_and_everything_still_holds(
    signed: Database, signer: Signer
) -> None:
    async with signed.transaction(TENANT) as session:
        assert await audit.erase(session, TENANT, ACTOR.id, "principal:none") == 10
    stripped = faults(await verified(signed, signer))
    root = replace(ACTOR, id=uuid.UUID(int=2), name="root")
    async with signed.transaction(TENANT) as session:
        await audit.record(session, root, "principal.erased", f"principal:{ACTOR.id}")
    async with await psycopg.AsyncConnection.connect(signed.url) as connection:
        cursor = await connection.execute("SELECT audit_entry::text FROM audit_entry")
        rows = [row[0] for row in await cursor.fetchall()]

    assert stripped == [(OTHER, 1), (STREAM, 1)]
    assert len(rows) == 11
    assert not any("dana" in row or "because" in row for row in rows)
    assert (await verified(signed, signer)).ok


@pytest.mark.parametrize("table", ["audit_leaf", "audit_checkpoint"])
async def test_plain_sql_changes_nothing_signed(signed: Database, table: str) -> None:
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET tenant_id = tenant_id"):
        with (
            psycopg.connect(signed.url) as connection,
            pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="never changed"),
        ):
            connection.execute(statement)


async def test_a_second_key_signs_nothing_beside_the_first(
    signed: Database, tmp_path: Path
) -> None:
    other = Signer(Ed25519PrivateKey.generate(), "test", tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    await write(signed, 2)
    with pytest.raises(ExceptionGroup) as refusal:
        await keep(signed, other)
    notes = await proofs_of(signed)

    assert [size for size, _ in notes] == [6, 10]
    assert "another key" in str(refusal.value.exceptions[0])
    assert list(other.kept(TENANT)) == []


async def proofs_of(database: Database) -> list[tuple[int, str]]:
    async with await psycopg.AsyncConnection.connect(database.url) as connection:
        cursor = await connection.execute("SELECT size, note FROM audit_checkpoint ORDER BY size")
        return [(row[0], row[1]) for row in await cursor.fetchall()]
