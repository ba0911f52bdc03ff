"""Segments: which values have a part of their own, and that none is lost of those that have not."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import psycopg
import pytest

from app.platform.http import Upload
from app.telemetry import Tally
from app.telemetry.segments import ANSWERS, LONGEST_VALUE, REST, Parts, answered, by_part, missing
from app.telemetry.segments import value_of as named
from app.telemetry.tables import ProfileKind
from tests.telemetry.plays import Bench, Decision, Play


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("NSW", "NSW"), (3, "3"), (3.0, "3"), (0.5, "0.5"), (True, "true"), ("", ""),
        (None, REST), (float("nan"), REST), (REST, REST),
        ("x" * LONGEST_VALUE, "x" * LONGEST_VALUE), ("x" * (LONGEST_VALUE + 1), REST),
    ],
)  # fmt: skip
def test_values_are_called_as_categories_are(sent: Any, name: str) -> None:
    assert named(sent) == name


def test_the_first_twenty_values_have_parts_of_their_own() -> None:
    ids = {("state", str(n)): bytes([n] * 16) for n in range(19)}
    room = Parts.known(("state",), ids)

    assert missing(room, [{"state": 1}, {"state": 30}, {}, {"state": 30}]) == [
        ("state", "30"), ("state", REST),
    ]  # fmt: skip

    full = Parts.known(("state",), {**ids, ("state", "19"): b"n" * 16, ("state", REST): b"r" * 16})
    assert missing(full, [{"state": 1}, {"state": 30}, {}]) == []
    assert full.of({"state": 30}) == full.of({}) == [b"r" * 16]
    assert full.of({"state": "7"}) == [bytes([7] * 16)]


def test_answers_are_counted_behind_the_layouts_slots_by_what_was_answered() -> None:
    codes, values = np.zeros((5, 1), np.int64), np.full((5, 1), 0.25)
    answers = np.array([0.5, 0.49, np.nan, 1.0, 0.0])
    parts = [b"a" * 16, b"b" * 16]
    found = by_part(parts[:1] * 4 + parts[1:], np.full(5, 7), codes, values, answers, 3)

    assert [(one.series_id.bytes, one.hour, one.rows) for one in found] == [
        (parts[0], 7, 4),
        (parts[1], 7, 1),
    ]
    tallies = [Tally.decode(one.payload) for one in found]
    assert [answered(one) for one in tallies] == [(3, 2), (1, 0)]
    assert {len(one.counts) for one in tallies} == {3 + ANSWERS}


@pytest.fixture(name="bench")
def made(empty_database: str) -> Iterator[tuple[asyncio.Runner, Bench]]:
    with asyncio.Runner() as runner:
        bench = Bench(empty_database)
        runner.run(bench.prepare())
        yield runner, bench
        runner.run(bench.database.close())


def decisions(states: list[Any]) -> list[Decision]:
    return [Decision(n % 60, 0.1, 0.7, None, 1, None, state=one) for n, one in enumerate(states)]


def test_two_processes_that_meet_new_values_at_once_stay_within_the_bound(
    bench: tuple[asyncio.Runner, Bench],
) -> None:
    """Forty values, each first seen by both at the same time; every event counts somewhere."""
    runner, place = bench
    states = [f"s{n}" for n in range(40)] * 4
    play = Play(place, decisions(states), segments=["state"])
    numbers = range(len(states))

    async def tell() -> dict[str, int]:
        await asyncio.gather(
            *(play.send(n, [("event", n), ("outcome", n)]) for n in numbers),
            *(play.send(n + 1, [("event", n)]) for n in numbers),
        )
        await place.digest(later=True)
        found: Counter[str] = Counter()
        for (_, part, kind, _), tally in (await place.parts(play.point)).items():
            found[part] += tally.n
            if kind is ProfileKind.INPUTS:
                assert answered(tally) == (tally.n, tally.n)
        return dict(found)

    found = runner.run(tell())

    assert play.taken("event") == len(states)
    assert len(found) == 21
    rest = found.pop(f"state={REST}")
    assert set(found.values()) == {8}  # four events, four outcomes
    assert rest + sum(found.values()) == 2 * len(states)


def test_a_new_value_waits_for_no_worker(bench: tuple[asyncio.Runner, Bench]) -> None:
    """Who folds or examines a series holds its row, and may hold it for long."""
    runner, place = bench
    play = Play(place, decisions(["NSW", "VIC"]), segments=["state"])
    runner.run(play.send(0, [("event", 0)]))

    async def tell() -> None:
        async with asyncio.timeout(5):
            await play.send(0, [("event", 1)])

    with psycopg.connect(place.url) as connection:
        connection.execute("SELECT FROM telemetry_series FOR UPDATE")
        runner.run(tell())

    assert play.taken("event") == 2


def test_what_is_declared_later_is_counted_by_whoever_has_heard_of_it(
    bench: tuple[asyncio.Runner, Bench],
) -> None:
    """A process hears of it within seconds; until then it counts as before, outcomes too."""
    runner, place = bench
    play = Play(place, decisions(["NSW", "VIC", "NSW"]), segments=["state"])

    def declare(contract: str) -> None:
        with psycopg.connect(place.url) as connection:
            connection.execute(
                "UPDATE catalog_decision_point SET contract = %s WHERE id = %s",
                (contract, play.point),
            )

    async def tell() -> list[str]:
        declare("{}")
        await play.send(0, [("event", 0)])
        declare('{"segments": ["state"]}')
        await play.send(0, [("event", 1)])  # has asked a moment ago
        await play.send(1, [("event", 2)])
        await play.send(0, [("outcome", n) for n in range(3)])
        await place.digest()
        parts = await place.parts(play.point)
        return sorted(f"{part} {kind}" for _, part, kind, _ in parts)

    assert runner.run(tell()) == ["state=NSW inputs", "state=NSW outcomes"]


def test_a_feature_that_the_contract_names_is_no_unknown_one(
    bench: tuple[asyncio.Runner, Bench],
) -> None:
    runner, place = bench
    play = Play(place, decisions(["NSW"]), segments=["state"])
    event = play.body("event", 0)
    event["features"]["other"] = 1
    upload = Upload("application/json", orjson.dumps({"events": [event]}))

    _, answer = runner.run(place.ingests[0].events(place.actor, upload))

    assert orjson.loads(answer)["unknown_features"] == {"other": 1}


def test_a_point_without_segments_writes_none(bench: tuple[asyncio.Runner, Bench]) -> None:
    runner, place = bench
    play = Play(place, decisions(["NSW", "VIC"]))
    runner.run(play.send(0, play.messages()))

    with psycopg.connect(place.url) as connection:
        row = connection.execute(
            "SELECT count(segment_ids), (SELECT count(*) FROM telemetry_segment) FROM"
            " telemetry_receipt_stored"
        ).fetchone()
    assert row == (0, 0)
