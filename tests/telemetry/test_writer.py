"""Group commit: batches written together are counted, and fail, each by itself."""

import asyncio
from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from app.bus import make_bus
from app.kit.ids import uuid7
from app.platform.db import Database
from app.platform.settings import Settings
from app.telemetry.batch import Batch
from app.telemetry.events import Event
from app.telemetry.token import Claim, Part
from app.telemetry.writer import Writer, Written
from tests.telemetry.plays import Bench

AT = 1_735_689_600_000_000


@pytest.fixture(name="bench")
def made(empty_database: str) -> Iterator[tuple[asyncio.Runner, Bench]]:
    with asyncio.Runner() as runner:
        bench = Bench(empty_database)
        runner.run(bench.prepare())
        yield runner, bench
        runner.run(bench.database.close())


def batch(bench: Bench, point: UUID, *decisions: UUID, x: object = 1.0) -> Batch:
    claims = [
        Claim(Part.ARM, one.bytes, point.bytes, bench.version.bytes, 1, 1, 1.0, 0, bytes(8), "a")
        for one in decisions
    ]
    return Batch.gather([Event(None, claim, AT, {"x": x}, 0.5, None, None) for claim in claims])


def stored(url: str, table: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row is not None
    return int(row[0])


def test_batches_that_wait_share_a_commit_and_each_learns_what_was_new_of_its_own(
    bench: tuple[asyncio.Runner, Bench],
) -> None:
    runner, place = bench
    writer, point, ids = Writer(place.database), uuid7(), [uuid7() for _ in range(60)]

    async def tell() -> list[Written]:
        parts = [ids[at : at + 3] for at in range(0, 60, 2)]  # neighbours share an event
        return await asyncio.gather(
            *(writer.write(place.actor.tenant_id, batch(place, point, *part)) for part in parts)
        )

    new = [written.fresh for written in runner.run(tell())]

    assert sum(new) == 60 == stored(place.url, "telemetry_event")
    assert all(count in {1, 2, 3} for count in new)
    with psycopg.connect(place.url) as connection:
        moments = connection.execute("SELECT count(DISTINCT received_at) FROM telemetry_event")
        row = moments.fetchone()
    assert row is not None
    assert row[0] <= 5, "30 batches took as many commits as if none had waited"


def test_a_batch_the_database_refuses_takes_nobody_else_with_it(
    bench: tuple[asyncio.Runner, Bench],
) -> None:
    runner, place = bench
    writer, point = Writer(place.database), uuid7()
    batches = [batch(place, point, uuid7(), x="\0" if n == 7 else 1.0) for n in range(20)]

    async def tell() -> list[Written | BaseException]:
        calls = (writer.write(place.actor.tenant_id, one) for one in batches)
        return await asyncio.gather(*calls, return_exceptions=True)

    found = runner.run(tell())

    assert isinstance(found.pop(7), psycopg.DataError)
    assert found == [(1, {}, {})] * 19
    assert (
        stored(place.url, "telemetry_receipt_stored") == 19 == stored(place.url, "telemetry_event")
    )


def test_that_the_database_is_away_is_told_at_once_to_all_who_wait() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none", Settings(), make_bus())
    writer, point = Writer(database), bytes(16)
    claims = [
        Claim(Part.ARM, uuid7().bytes, point, point, 1, 1, 1.0, 0, bytes(8), "a") for _ in range(40)
    ]

    async def tell() -> list[Written | BaseException]:
        calls = (
            writer.write(uuid7(), Batch.gather([Event(None, claim, AT, {}, None, None, None)]))
            for claim in claims
        )
        async with asyncio.timeout(10):
            return await asyncio.gather(*calls, return_exceptions=True)

    found = asyncio.run(tell())

    assert {type(one) for one in found} == {OperationalError}
