"""Events and outcomes in any order, any batches, any doubles: the same profiles in the end."""

import asyncio
import itertools
import random
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import orjson
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from sqlalchemy import select

from app import identity, telemetry
from app.catalog.rules import AssetKind, RiskTier
from app.catalog.tables import Model, Version
from app.kit.actor import Actor
from app.main import make_bus
from app.platform.db import Database
from app.platform.settings import Settings
from app.telemetry import Claim, Part, baseline, labelling, seal
from app.telemetry.ingest import Ingest
from app.telemetry.layout import Layout
from app.telemetry.outcomes import Labelled, fold
from app.telemetry.tables import HourProfile, ProfileKind, Series
from app.telemetry.tally import Tally, tally, total

START_HOUR = 492_000
NAN = float("nan")
IDS = itertools.count(1)

Kind = str
Message = tuple[Kind, int]
Profiles = dict[tuple[str, ProfileKind, int], Tally]


@dataclass(frozen=True)
class Decision:
    """One decision: what was scored, what a shadow said, and what became of it."""

    minute: int
    x: Any
    score: float | None
    shadow: float | None
    label: int | None
    reward: float | None

    @property
    def hour(self) -> int:
        return START_HOUR + self.minute // 60

    @property
    def at(self) -> str:
        return str(np.datetime64(START_HOUR * 60 + self.minute, "m")) + ":00Z"


UNIT = st.floats(0, 1, width=32)
DECISIONS = st.builds(
    Decision,
    minute=st.integers(0, 179),
    x=st.floats(-4, 4, width=32) | st.sampled_from([None, "not a number", 0]),
    score=UNIT | st.none(),
    shadow=UNIT | st.none(),
    label=st.sampled_from([0, 1, None]),
    reward=st.sampled_from([None, -1.5, 0.0, 2.0]),
)


class Bench:
    """A database with one version, and two API processes' worth of ingest before it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.database = Database(url, Settings(pool_wait_seconds=20), make_bus())
        self.ingests = [Ingest(self.database, CollectorRegistry()) for _ in range(2)]

    async def prepare(self) -> None:
        rng = random.Random(3)
        async with self.database.transaction() as session:
            await identity.bootstrap(session)
            tenant = await identity.default_tenant(session)
            nobody = UUID(int=1)
            allowed = frozenset({"telemetry:write"})
            self.actor = Actor(nobody, tenant, "app", nobody, frozenset(), allowed)
            self.keys = await telemetry.signing_keys(session, tenant)
            model = Model(
                tenant_id=tenant, name="m", kind=AssetKind.RULE_SET, risk_tier=RiskTier.LOW,
                owner_id=nobody, purpose="a test", tags={},
            )  # fmt: skip
            session.add(model)
            await session.flush()
            version = Version(
                tenant_id=tenant, model_id=model.id, number=1, source="urn:m",
                signature={"inputs": [{"name": "x"}]}, training_data={}, lineage={}, card={},
                content_digest="none", tags={}, developer_id=nobody,
            )  # fmt: skip
            session.add(version)
            await session.flush()
            self.version = version.id
            columns = {"x": [rng.gauss(0, 1) for _ in range(200)]}
            kept = await baseline.put(
                session, "m", 1, columns=columns, parquet=None, by=self.actor
            )
            self.layout = Layout.load(kept.layout)

    async def event(self, process: int, events: list[dict[str, Any]]) -> int:
        body = orjson.dumps({"events": events})
        _, answer = await self.ingests[process % 2].events(self.actor, "", body)
        found = orjson.loads(answer)
        assert found["rejected"] == []
        assert found["accepted"] + found["duplicates"] == len(events)
        return int(found["accepted"])

    async def outcome(self, outcomes: list[dict[str, Any]]) -> int:
        _, answer = await labelling.take(
            self.database, self.actor, orjson.dumps({"outcomes": outcomes})
        )
        return int(orjson.loads(answer)["accepted"])

    async def digest(self, *, later: bool = False) -> None:
        """Run the worker's step; ``later`` lets every outcome be looked at once more."""
        if later:
            with psycopg.connect(self.url) as connection:
                connection.execute("UPDATE telemetry_outcome SET due_at = now()")
        await telemetry.digest(self.database)

    async def profiles(self, point: UUID) -> Profiles:
        async with self.database.session() as session:
            rows = await session.execute(
                select(Series, HourProfile)
                .join(HourProfile, HourProfile.series_id == Series.id)
                .where(Series.point_id == point)
            )
            found = rows.all()
        counted: dict[str, int] = defaultdict(int)
        for series, hour in found:
            counted[series.arm] += hour.n if hour.kind is ProfileKind.INPUTS else 0
            assert hour.n == Tally.decode(hour.payload).n
        assert all(series.events == counted[series.arm] for series, _ in found)
        return {(s.arm, h.kind, h.hour): Tally.decode(h.payload) for s, h in found}


class Play:
    """One example: its own decision point, its own decisions."""

    def __init__(self, bench: Bench, decisions: Sequence[Decision]) -> None:
        self.bench = bench
        self.decisions = decisions
        self.point = UUID(int=next(IDS))
        self.ids = [uuid.uuid5(self.point, str(number)) for number in range(len(decisions))]
        self.accepted: dict[Kind, int] = defaultdict(int)

    def messages(self) -> list[Message]:
        """What has to be sent, in the natural order."""
        found: list[Message] = []
        for number, decision in enumerate(self.decisions):
            found.append(("event", number))
            if decision.shadow is not None:
                found.append(("shadow", number))
            if decision.label is not None or decision.reward is not None:
                found.append(("outcome", number))
        return found

    def _body(self, kind: Kind, number: int) -> dict[str, Any]:
        decision = self.decisions[number]
        if kind == "outcome":
            return {
                "decision_id": str(self.ids[number]),
                "label": decision.label,
                "reward": decision.reward,
                "at": decision.at,
            }
        part = Part.SHADOW if kind == "shadow" else Part.ARM
        claim = Claim(
            part=part, decision_id=self.ids[number].bytes, point_id=self.point.bytes,
            version_id=self.bench.version.bytes, plan_revision=1, generation=1, propensity=1.0,
            at_ms=0, unit=bytes(8), arm="watcher" if kind == "shadow" else "champion",
        )  # fmt: skip
        return {
            "token": seal(claim, *self.bench.keys.current),
            "at": decision.at,
            "features": {"x": decision.x},
            "score": decision.shadow if kind == "shadow" else decision.score,
        }

    async def send(self, process: int, batch: Sequence[Message]) -> None:
        """Send one batch: its events in one call, then its outcomes in another."""
        events = [self._body(*message) for message in batch if message[0] != "outcome"]
        outcomes = [self._body(*message) for message in batch if message[0] == "outcome"]
        if events:
            self.accepted["event"] += await self.bench.event(process, events)
        if outcomes:
            self.accepted["outcome"] += await self.bench.outcome(outcomes)

    def expected(self) -> Profiles:
        """What one pass over everything, in memory, comes to."""
        found: dict[tuple[str, ProfileKind, int], list[Tally]] = defaultdict(list)
        for decision in self.decisions:
            arms = {"champion": decision.score}
            if decision.shadow is not None:
                arms["shadow:watcher"] = decision.shadow
            for arm, score in arms.items():
                layout = self.bench.layout
                inputs = tally(*layout.place([[decision.x], [score]]), layout.size)
                found[arm, ProfileKind.INPUTS, decision.hour].append(inputs)
                if decision.label is not None or decision.reward is not None:
                    labelled = Labelled(
                        decision.hour, *(NAN if v is None else v for v in
                        (score, None, decision.label, decision.reward)),
                    )  # fmt: skip
                    found[arm, ProfileKind.OUTCOMES, decision.hour].append(fold([labelled]))
        return {key: some for key, tallies in found.items() if (some := total(tallies))}

    async def check(self) -> None:
        found, wanted = await self.bench.profiles(self.point), self.expected()
        assert found.keys() == wanted.keys()
        for key, one in wanted.items():
            assert found[key].n == one.n, key
            assert found[key].counts.tolist() == one.counts.tolist(), key
            np.testing.assert_allclose(found[key].sums, one.sums, atol=1e-9)
            np.testing.assert_allclose(found[key].moments, one.moments, atol=1e-9)
        kinds = [kind for kind, _ in self.messages()]
        outcomes = kinds.count("outcome")
        assert self.accepted["event"] == len(kinds) - outcomes
        assert self.accepted["outcome"] == outcomes


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
    max_examples=25, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(st.lists(DECISIONS, min_size=1, max_size=6), st.data())
def test_any_order_any_batches_any_doubles_end_alike(
    bench: Bench, runner: asyncio.Runner, decisions: list[Decision], data: st.DataObject
) -> None:
    play = Play(bench, decisions)
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


@pytest.mark.parametrize(
    "seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 13))]
)
def test_everything_at_once_ends_alike(
    bench: Bench, runner: asyncio.Runner, seed: int
) -> None:
    """Batches, retries, outcomes and workers side by side; then one late look."""
    rng = random.Random(seed)
    play = Play(bench, [some_decision(rng) for _ in range(120)])
    messages = play.messages() * 2
    rng.shuffle(messages)
    batches = [messages[at : at + 12] for at in range(0, len(messages), 12)]

    async def client(number: int) -> None:
        for batch in batches[number::4]:
            await play.send(number, batch)

    async def worker(busy: asyncio.Event) -> None:
        while not busy.is_set():
            await bench.digest()

    async def tell() -> None:
        done = asyncio.Event()
        workers = [asyncio.create_task(worker(done)) for _ in range(2)]
        try:
            await asyncio.gather(*(client(number) for number in range(4)))
        finally:
            done.set()
            await asyncio.gather(*workers)
        await bench.digest(later=True)
        await play.check()

    runner.run(tell())


def some_decision(rng: random.Random) -> Decision:
    return Decision(
        minute=rng.randrange(180),
        x=rng.choice([rng.gauss(0, 1), None]),
        score=rng.random(),
        shadow=rng.choice([rng.random(), None]),
        label=rng.choice([0, 1, None]),
        reward=rng.choice([1.0, -1.0, None]),
    )
