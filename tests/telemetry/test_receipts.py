"""Receipts: each event once, whichever way its batch is written, and looked up, never searched."""

import asyncio
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from app.kit.ids import uuid7
from app.platform.roles import APP, TENANT_SETTING
from app.telemetry import correcting, store
from app.telemetry.batch import Batch
from app.telemetry.events import Event
from app.telemetry.token import Claim, Part
from app.telemetry.writer import Writer
from tests.telemetry.plays import Bench
from tests.telemetry.test_writer import AT, batch, made, stored  # noqa: F401 - a fixture

TABLE = "telemetry_receipt_stored"


def named(bench: Bench, point: UUID, *names: UUID) -> Batch:
    """Events of new decisions under their senders' names, decided in that order."""
    claims = [
        Claim(
            Part.ARM, uuid7().bytes, point.bytes, bench.version.bytes, 1, 1, 1.0, 0, bytes(8), "a"
        )
        for _ in names
    ]
    events = [
        Event(name.bytes, claim, AT, {"x": 1.0}, 0.5, None, None)
        for name, claim in zip(names, claims, strict=True)
    ]
    return Batch.gather(events)


def undone(runner: asyncio.Runner, place: Bench) -> int:
    """How many receipts were written and taken back."""
    runner.run(place.database.close())  # whoever leaves says what he did
    with psycopg.connect(place.url) as connection:
        row = connection.execute(
            "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = %s", (TABLE,)
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_of_a_long_batch_that_is_partly_known_the_rest_is_new(
    bench: tuple[asyncio.Runner, Bench],
) -> None:
    runner, place = bench
    writer, point, ids = Writer(place.database), uuid7(), [uuid7() for _ in range(300)]

    def tell(some: list[UUID]) -> int:
        return runner.run(writer.write(place.actor.tenant_id, batch(place, point, *some))).fresh

    assert [tell(ids[:100]), tell(ids[:100]), tell(ids[50:]), tell(ids)] == [100, 0, 200, 0]
    assert stored(place.url, "telemetry_receipt_stored") == 300
    assert stored(place.url, "telemetry_event") == 300


def test_what_is_sent_again_makes_no_error_in_the_database_s_log(
    bench: tuple[asyncio.Runner, Bench],
) -> None:
    runner, place = bench
    writer, point, ids = Writer(place.database), uuid7(), [uuid7() for _ in range(400)]
    parts = [batch(place, point, *ids[at : at + 100]) for at in range(0, 400, 100)]

    async def tell(some: list[Batch]) -> int:
        calls = (writer.write(place.actor.tenant_id, one) for one in some)
        return sum(written.fresh for written in await asyncio.gather(*calls))

    def undone() -> int:
        runner.run(place.database.close())  # whoever leaves says what he did
        with psycopg.connect(place.url) as connection:
            row = connection.execute(
                "SELECT n_dead_tup FROM pg_stat_user_tables"
                " WHERE relname = 'telemetry_receipt_stored'"
            ).fetchone()
        assert row is not None
        return int(row[0])

    assert runner.run(tell(parts[1:])) == 300
    assert runner.run(tell(parts[2:])) == 0
    assert runner.run(tell(parts)) == 100
    assert undone() == 0, "a COPY was begun and undone"


def test_of_a_long_batch_that_the_database_refuses_no_receipt_is_left(
    bench: tuple[asyncio.Runner, Bench],
) -> None:
    runner, place = bench
    writer, point = Writer(place.database), uuid7()
    bad = batch(place, point, *(uuid7() for _ in range(100)), x="\0")

    with pytest.raises(psycopg.DataError):
        runner.run(writer.write(place.actor.tenant_id, bad))

    assert stored(place.url, "telemetry_receipt_stored") == 0


def test_what_is_decided_again_is_known_by_its_sender_s_name(
    bench: tuple[asyncio.Runner, Bench],
) -> None:
    runner, place = bench
    writer, point, names = Writer(place.database), uuid7(), [uuid7() for _ in range(200)]

    found = [
        runner.run(writer.write(place.actor.tenant_id, named(place, point, *names))).fresh
        for _ in range(3)
    ]

    assert found == [200, 0, 0]
    assert undone(runner, place) == 0, "a COPY was begun and undone"


def test_who_names_the_same_events_in_another_order_does_not_fail(
    bench: tuple[asyncio.Runner, Bench],
) -> None:
    runner, place = bench
    point, writers = uuid7(), [Writer(place.database) for _ in range(2)]

    async def crossed() -> list[int]:
        names = [uuid7() for _ in range(2000)]
        batches = named(place, point, *names), named(place, point, *reversed(names))
        calls = (
            writer.write(place.actor.tenant_id, one)
            for writer, one in zip(writers, batches, strict=True)
        )
        return [written.fresh for written in await asyncio.gather(*calls)]

    found = [sum(runner.run(crossed())) for _ in range(8)]

    assert found == [2000] * 8
    assert stored(place.url, TABLE) == stored(place.url, "telemetry_event") == 16_000


@pytest.mark.parametrize("query", [store._KNOWN, correcting._AWAITING, store._RECEIPTS])
def test_receipts_are_looked_up_however_many_there_are(
    bench: tuple[asyncio.Runner, Bench], query: str
) -> None:
    _, place = bench
    ids = [uuid7() for _ in range(20)]
    asked = {
        "tenant": place.actor.tenant_id, "nameless": UUID(int=0), "decision": ids, "series": ids,
        "event": ids, "at": [AT] * 20, "score": [0.5] * 20, "prediction": [0.5] * 20, "sent": 20,
    }  # fmt: skip
    with psycopg.connect(place.url) as connection:
        connection.execute(
            f"INSERT INTO {TABLE} (tenant_id, decision_id, series_id, at) SELECT %s,"
            " gen_random_uuid(), gen_random_uuid(), now() FROM generate_series(1, 50000)",
            (place.actor.tenant_id,),
        )
        connection.execute(
            "SELECT set_config(%s, %s, true)", (TENANT_SETTING, str(asked["tenant"]))
        )
        connection.execute(f"ANALYZE {TABLE}")
        connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(APP)))
        plan = "\n".join(row[0] for row in connection.execute(f"EXPLAIN {query}", asked))
        connection.rollback()

    assert "Seq Scan on telemetry_receipt_stored" not in plan, plan
