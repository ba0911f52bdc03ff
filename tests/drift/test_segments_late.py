"""What segments are compared with: events from further back, and the time before a window."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from app import catalog, telemetry
from app.drift.inquiries import Asked, Fairness, Source, fairness_of
from app.drift.rules import Thresholds
from app.drift.segmenting import Segments
from tests.telemetry.plays import START_HOUR, Bench, Decision, Play


@pytest.fixture(name="bench")
def made(empty_database: str) -> Iterator[tuple[asyncio.Runner, Bench]]:
    with asyncio.Runner() as runner:
        bench = Bench(empty_database)
        runner.run(bench.prepare())
        yield runner, bench
        runner.run(bench.database.close())


def execute(bench: Bench, query: str, *values: Any) -> None:
    with psycopg.connect(bench.url) as connection:
        connection.execute(query, values)


def declare(play: Play, *names: str) -> None:
    execute(
        play.bench, "UPDATE catalog_decision_point SET contract = %s WHERE id = %s",
        Jsonb({"segments": list(names)}), play.point,
    )  # fmt: skip


async def ask(play: Play, hours: int) -> Fairness:
    """Of the first hours that there are."""
    tenant = play.bench.actor.tenant_id
    async with play.bench.database.session(tenant) as session:
        point = await catalog.point_by_id(session, tenant, play.point)
        traffic = await telemetry.traffic(session, tenant, play.point, play.bench.version)
        since = telemetry.begins(START_HOUR, 1)
        asked = Asked(
            point, "scorer", play.bench.version, traffic.series, traffic.routed, since,
            since + timedelta(hours=hours),
        )  # fmt: skip
        return await fairness_of(session, asked, "sex")


def rows(found: Fairness) -> dict[str, int]:
    return {name: group.n for name, group in found.groups.items()}


def test_events_are_asked_as_long_as_they_reach_further_back(
    bench: tuple[asyncio.Runner, Bench],
) -> None:
    """An hour each: before it is declared, after it was, and after it was taken back."""
    runner, place = bench
    decisions = [
        Decision(60 * hour + n, 0.1, 0.9, None, None, None, sex="mf"[n % 2])
        for hour in range(3)
        for n in range(10)
    ]
    play = Play(place, decisions, segments=["sex"])
    messages = play.messages()

    async def tell() -> None:
        declare(play)
        await play.send(0, messages[:10])
        await place.digest()
        declare(play, "sex")
        nothing = await ask(play, 3)
        await play.send(1, messages[10:20])  # a process that hears of it
        await play.send(0, messages[20:])  # one that asked a moment ago
        await place.digest()
        kept = await ask(play, 3)
        execute(
            place, "INSERT INTO telemetry_retention (tenant_id, revision, raw_days, author_id)"
            " VALUES (%s, 1, 1, %s)", place.actor.tenant_id, play.point,
        )  # fmt: skip
        gone = await ask(play, 3)
        declare(play)
        plain = await ask(play, 3)

        assert (nothing.source, rows(nothing), nothing.covered) == (
            Source.EVENTS, {"m": 5, "f": 5}, 1.0,
        )  # fmt: skip
        assert (kept.source, rows(kept), kept.covered) == (
            Source.EVENTS, {"m": 15, "f": 15}, 1.0,
        )  # fmt: skip
        assert (gone.source, rows(gone)) == (Source.PROFILES, {"m": 5, "f": 5})
        assert gone.covered == pytest.approx(1 / 3)
        assert plain.source == Source.EVENTS

    runner.run(tell())


def test_a_window_is_compared_with_the_week_before_its_day_or_seven_windows(
    bench: tuple[asyncio.Runner, Bench],
) -> None:
    """An event every six hours for thirty days."""
    runner, place = bench
    decisions = [
        Decision(60 * hour, 0.1, 0.9, None, None, None, state="NSW")
        for hour in range(0, 30 * 24, 6)
    ]
    play = Play(place, decisions, segments=["state"])

    async def tell() -> list[tuple[int, int]]:
        await play.send(0, play.messages())
        await place.digest()
        tenant = place.actor.tenant_id
        async with place.database.session(tenant) as session:
            traffic = await telemetry.traffic(session, tenant, play.point, place.version)
            limits = Thresholds(segments=True)
            there = (play.point, place.version)
            looked = Segments(session, tenant, there, None, limits, traffic.series)
            found = []
            for day, hour, width in (
                (0, 12, 12), (2, 0, 6), (2, 6, 6), (2, 18, 6), (20, 6, 6), (20, 0, 24),
                (20, 12, 24), (20, 0, 48), (20, 1, 1),
            ):  # fmt: skip
                since = telemetry.begins(START_HOUR + 24 * day + hour, 1)
                parts, _ = await looked.measured(since, since + timedelta(hours=width))
                found.append([(one["n"], one["before"]) for one in parts])
        return [one for some in found for one in some or [(0, 0)]]

    assert runner.run(tell()) == [
        (2, 0), (1, 8), (1, 8), (1, 8), (1, 28), (4, 28), (4, 28), (8, 56), (0, 0),
    ]  # fmt: skip
