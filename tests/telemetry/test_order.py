"""Events and outcomes in any order, any batches, any doubles: the same profiles in the end."""

import asyncio
import random
import struct
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.platform.db import ALL_TENANTS
from app.platform.http import Upload
from app.telemetry.batch import _order
from app.telemetry.events import NoEvents
from app.telemetry.service import overview
from tests.telemetry.plays import Bench, Decision, Message, Play

UNIT = st.floats(0, 1, width=32)
DECISIONS = st.builds(
    Decision,
    minute=st.integers(0, 179),
    x=st.floats(-4, 4, width=32) | st.sampled_from([None, "not a number", 0]),
    score=UNIT | st.none(),
    shadow=UNIT | st.none(),
    label=st.sampled_from([0, 1, None]),
    reward=st.sampled_from([None, -1.5, 0.1, 2.0]),
    cost=st.sampled_from([None, 0.3, 2.0]),
    corrected=st.sampled_from([None, None, 0.7]),
    state=st.sampled_from([None, "NSW", "VIC", "", "…", 3, 3.0, True, "x" * 101]),
    sex=st.sampled_from(["f", "m"]),
)
SEGMENTS = st.sampled_from([(), ("state",), ("sex", "state"), ("state", "x")])


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as found:
        yield found


@pytest.fixture
def bench(empty_database: str, runner: asyncio.Runner) -> Iterator[Bench]:
    found = Bench(empty_database)
    runner.run(found.prepare())
    yield found
    runner.run(found.database.close())


@settings(
    max_examples=25, deadline=None, derandomize=True, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(st.lists(DECISIONS, min_size=1, max_size=6), SEGMENTS, st.data())
def test_any_order_any_batches_any_doubles_end_alike(
    bench: Bench,
    runner: asyncio.Runner,
    decisions: list[Decision],
    segments: tuple[str, ...],
    data: st.DataObject,
) -> None:
    play = Play(bench, decisions, segments=segments)
    once = play.messages()
    again = data.draw(st.lists(st.sampled_from(once), max_size=6))
    order = data.draw(st.permutations([*once, *again]))
    cuts = data.draw(
        st.lists(
            st.sampled_from(["", "", "cut", "digest", "later"]),
            min_size=len(order), max_size=len(order),
        )
    )  # fmt: skip

    async def tell() -> None:
        batch: list[Message] = []
        for place, (message, cut) in enumerate(zip(order, cuts, strict=True)):
            batch.append(message)
            if cut:
                await play.send(place, batch)
                batch = []
            if cut in {"digest", "later"}:
                await bench.digest(later=cut == "later")
        await play.send(0, batch)
        await bench.digest()
        await play.check()
        await bench.digest(later=True)
        await play.check()

    runner.run(tell())


def some_play(bench: Bench, seed: int, count: int = 120) -> tuple[Play, list[list[Message]]]:
    """A play, and everything of it twice, in disorder and in batches."""
    rng = random.Random(seed)
    decisions = [some_decision(rng) for _ in range(count)]
    play = Play(bench, decisions, segments=["state", "sex"] if seed % 2 else [])
    messages = play.messages() * 2
    rng.shuffle(messages)
    return play, [messages[at : at + 12] for at in range(0, len(messages), 12)]


def some_decision(rng: random.Random) -> Decision:
    return Decision(
        minute=rng.randrange(180),
        x=rng.choice([rng.gauss(0, 1), None]),
        score=rng.random(),
        shadow=rng.choice([rng.random(), None]),
        label=rng.choice([0, 1, None]),
        reward=rng.choice([1.0, -1.0, None]),
        corrected=rng.choice([None, None, 1 / 3]),
        state=rng.choice(["NSW", "VIC", "TAS", None]),
        sex=rng.choice(["f", "m"]),
    )


async def clients(play: Play, batches: list[list[Message]]) -> None:
    """Send everything from four applications at once."""

    async def client(number: int) -> None:
        for batch in batches[number::4]:
            await play.send(number, batch)

    await asyncio.gather(*(client(number) for number in range(4)))


async def working(bench: Bench, done: asyncio.Event) -> None:
    while not done.is_set():
        await bench.digest()


@pytest.mark.parametrize(
    "seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 13))]
)
def test_everything_at_once_ends_alike(bench: Bench, runner: asyncio.Runner, seed: int) -> None:
    """Batches, retries, outcomes and two workers side by side; then one late look."""
    play, batches = some_play(bench, seed)

    async def tell() -> None:
        done = asyncio.Event()
        workers = [asyncio.create_task(working(bench, done)) for _ in range(2)]
        try:
            await clients(play, batches)
        finally:
            done.set()
            await asyncio.gather(*workers)
        await bench.digest(later=True)
        await play.check()

    runner.run(tell())


def test_the_first_batches_of_many_arms_do_not_wait_for_each_other_in_a_circle(
    bench: Bench, runner: asyncio.Runner
) -> None:
    rng = random.Random(4)
    arms = 12
    refused: list[object] = []

    async def tell() -> None:
        for _ in range(20):
            play = Play(bench, [some_decision(rng) for _ in range(8 * arms)])
            bodies = [play.body("event", n, arm=f"arm-{n % arms}") for n in range(8 * arms)]
            batches = [
                rng.sample(bodies[at * arms : at * arms + arms], arms if at % 2 else 4)
                for at in range(8)
            ]
            calls = (
                bench.ingests[at % 2].events(bench.actor, as_json(batch))
                for at, batch in enumerate(batches)
            )
            answers = await asyncio.gather(*calls, return_exceptions=True)
            refused.extend(one for one in answers if isinstance(one, BaseException))
            if refused:
                return

    runner.run(tell())
    assert refused == []


def as_json(events: list[Any]) -> Upload:
    return Upload("application/json", orjson.dumps({"events": events}))


def test_an_event_counts_once_by_its_token_and_once_by_its_own_name(
    bench: Bench, runner: asyncio.Runner
) -> None:
    rng = random.Random(5)
    play = Play(bench, [some_decision(rng) for _ in range(4)])
    named, other = str(UUID(int=rng.getrandbits(128))), str(UUID(int=rng.getrandbits(128)))
    bodies = [play.body("event", number) for number in range(4)]

    async def tell() -> list[int]:
        return [
            await bench.event(0, [{**bodies[0], "event_id": named}, bodies[1]]),
            await bench.event(1, [{**bodies[0], "event_id": other}]),
            await bench.event(0, [{**bodies[2], "event_id": named}]),
            await bench.event(1, [bodies[1], {**bodies[2], "event_id": other}]),
            await bench.event(0, [bodies[3], {**bodies[2], "event_id": named}, bodies[3]]),
        ]

    assert runner.run(tell()) == [2, 0, 0, 1, 1]


def test_a_duplicate_that_is_dropped_takes_no_other_event_with_it(
    bench: Bench, runner: asyncio.Runner
) -> None:
    rng = random.Random(6)
    play = Play(bench, [some_decision(rng) for _ in range(2)])
    first, second = (str(UUID(int=rng.getrandbits(128))) for _ in range(2))
    a, b = (play.body("event", number) for number in range(2))
    sent = [{**a, "event_id": first}, {**a, "event_id": second}, {**b, "event_id": second}]

    async def apart() -> int:
        return sum(await asyncio.gather(*(bench.event(0, [one]) for one in sent)))

    assert runner.run(bench.event(0, sent)) == 2
    assert runner.run(apart()) == 0


def test_what_is_shown_is_never_less_than_what_was_acknowledged(
    bench: Bench, runner: asyncio.Runner
) -> None:
    play, batches = some_play(bench, 21, count=240)
    shown: list[tuple[int, int]] = []

    async def look(key: str, done: asyncio.Event) -> None:
        while not done.is_set():
            least = play.taken("event")
            async with bench.database.snapshot(ALL_TENANTS) as session:
                seen = await overview(session, key, by=bench.actor)
            shown.append((seen.stored_events, least))

    async def tell() -> None:
        key, done = play.key, asyncio.Event()
        others = [asyncio.create_task(work) for work in (working(bench, done), look(key, done))]
        try:
            await clients(play, batches)
        finally:
            done.set()
            await asyncio.gather(*others)

    runner.run(tell())
    assert len(shown) > 10
    assert [one for one in shown if one[0] < one[1]] == []


def test_an_outcome_may_name_its_event_once_that_has_come(
    bench: Bench, runner: asyncio.Runner
) -> None:
    play = Play(bench, [Decision(1, 0.5, 0.9, None, 1, None)])
    name = "00000000-0000-4000-8000-00000000abcd"
    outcome = {"event_id": name, "reward": 2.0, "at": play.decisions[0].at}

    async def tell() -> tuple[list[str], int, int]:
        early = await refused(outcome)
        await bench.event(0, [{**play.body("event", 0), "event_id": name}])
        both = await refused({**outcome, "decision_id": str(play.ids[0])})
        first = await bench.outcome([outcome])
        again = {**outcome, "decision_id": str(play.ids[0]), "event_id": None}
        return [*early, *both], first, await bench.outcome([again])

    async def refused(row: dict[str, Any]) -> list[str]:
        with pytest.raises(NoEvents) as refusal:
            await bench.outcome([row])
        return [bad["code"] for bad in refusal.value.extra["rejected"]]

    assert runner.run(tell()) == (["unknown_event", "bad_event"], 1, 0)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2)), max_size=30),
    st.sampled_from([0, 2**63]),
)
def test_events_are_in_order_of_their_whole_decision_and_then_of_their_group(
    rows: list[tuple[int, int, int]], high: int
) -> None:
    decisions = [struct.pack(">QQ", high + first, last) for first, last, _ in rows]
    group = np.array([group for *_, group in rows], np.int64)

    order = _order(np.array(decisions, "V16"), group)

    keys = [(decisions[at], group[at]) for at in range(len(rows))]
    assert order.tolist() == sorted(range(len(rows)), key=lambda at: (*keys[at], at))
