"""Decisions to play through ingest and worker, and what they must come to in the profiles."""

import itertools
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import orjson
import psycopg
from prometheus_client import CollectorRegistry
from psycopg.types.json import Jsonb
from sqlalchemy import select

from app import identity, telemetry
from app.bus import make_bus
from app.catalog.rules import AssetKind, RiskTier
from app.catalog.tables import Model, Version
from app.identity.rules import Role, permissions
from app.kit.actor import Actor
from app.platform.db import ALL_TENANTS, Database
from app.platform.http import Upload
from app.platform.settings import Settings
from app.telemetry import Claim, Part, baseline, labelling
from app.telemetry.ingest import Ingest
from app.telemetry.layout import Layout
from app.telemetry.outcomes import THRESHOLD, Labelled
from app.telemetry.segments import ANSWERS, value_of
from app.telemetry.tables import HourProfile, ProfileKind, Segment, Series
from app.telemetry.tally import Tally, merged, tally
from app.telemetry.token import seal
from tests.telemetry.folds import fold

START_HOUR = 483_000
NOBODY = UUID(int=1)
NAN = float("nan")
IDS = itertools.count(1)

Kind = str
OUTCOMES = ("outcome", "correction")
Message = tuple[Kind, int]
Profiles = dict[tuple[str, ProfileKind, int], Tally]
Parts = dict[tuple[str, str, ProfileKind, int], Tally]


@dataclass(frozen=True)
class Decision:
    """One decision: what was scored, what a shadow said, and what became of it."""

    minute: int
    x: Any
    score: float | None
    shadow: float | None
    label: int | None
    reward: float | None
    corrected: float | None = None
    """The reward that it truly was, as a second outcome says."""
    state: Any = None
    sex: Any = None
    """Features that points may tell their traffic apart by."""
    cost: float | None = None

    @property
    def hour(self) -> int:
        return START_HOUR + self.minute // 60

    @property
    def matured(self) -> bool:
        return self.label is not None or self.reward is not None

    def told_apart(self, names: Sequence[str]) -> dict[str, Any]:
        """The features that segments are of; what is none is not sent."""
        found = {name: getattr(self, name) for name in names}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def at(self) -> str:
        return str(np.datetime64(START_HOUR * 60 + self.minute, "m")) + ":00Z"


def _somebody(tenant: UUID, name: str, role: Role) -> Actor:
    roles = frozenset({role.value})
    return Actor(NOBODY, tenant, name, NOBODY, roles, permissions(roles))


class Bench:
    """A database with one version, and two API processes' worth of ingest before it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.database = Database(url, Settings(pool_wait_seconds=20), make_bus())
        self.ingests = [Ingest(self.database, CollectorRegistry()) for _ in range(2)]

    async def prepare(self) -> None:
        columns = {"x": np.random.default_rng(3).normal(size=200).tolist()}
        async with self.database.transaction(ALL_TENANTS) as session:
            await identity.bootstrap(session)
            tenant = await identity.default_tenant(session)
            developer = _somebody(tenant, "dev", Role.DEVELOPER)
            self.actor = _somebody(tenant, "app", Role.APPLICATION)
            self.keys = await telemetry.signing_keys(session, tenant)
            model = Model(
                tenant_id=tenant,
                name="m",
                kind=AssetKind.RULE_SET,
                risk_tier=RiskTier.LOW,
                owner_id=NOBODY,
                purpose="",
                tags={},
            )
            session.add(model)
            await session.flush()
            version = Version(
                tenant_id=tenant,
                model_id=model.id,
                number=1,
                source="urn:m",
                signature={"inputs": [{"name": "x"}]},
                training_data={},
                lineage={},
                card={},
                content_digest="none",
                tags={},
                developer_id=NOBODY,
            )
            session.add(version)
            await session.flush()
            self.version = version.id
            kept = await baseline.put(session, "m", 1, columns=columns, parquet=None, by=developer)
            self.layout = Layout.load(kept.layout)

    async def event(self, process: int, events: list[dict[str, Any]]) -> int:
        upload = Upload("application/json", orjson.dumps({"events": events}))
        try:
            _, answer = await self.ingests[process % 2].events(self.actor, upload)
        except psycopg.errors.DeadlockDetected:  # a 503, and the client sends it again
            _, answer = await self.ingests[process % 2].events(self.actor, upload)
        found = orjson.loads(answer)
        assert found["accepted"] + found["duplicates"] == len(events), found
        return int(found["accepted"])

    async def outcome(self, outcomes: list[dict[str, Any]]) -> int:
        upload = Upload("application/json", orjson.dumps({"outcomes": outcomes}))
        _, answer = await labelling.take(self.database, self.actor, upload)
        return int(orjson.loads(answer)["accepted"])

    async def digest(self, *, later: bool = False) -> None:
        """Run the worker's step; ``later`` lets every outcome be looked at once more."""
        if later:
            with psycopg.connect(self.url) as connection:
                connection.execute("UPDATE telemetry_outcome SET due_at = now()")
        await telemetry.digest(self.database)

    async def profiles(self, point: UUID) -> Profiles:
        async with self.database.session(ALL_TENANTS) as session:
            query = select(Series, HourProfile).join(
                HourProfile, HourProfile.series_id == Series.id
            )
            found = (await session.execute(query.where(Series.point_id == point))).all()
        counted: dict[str, int] = defaultdict(int)
        for series, hour in found:
            counted[series.arm] += hour.n if hour.kind is ProfileKind.INPUTS else 0
            assert hour.n == Tally.decode(hour.payload).n
        assert all(series.events == counted[series.arm] for series, _ in found)
        return {(s.arm, h.kind, h.hour): Tally.decode(h.payload) for s, h in found}

    async def parts(self, point: UUID) -> Parts:
        """Return what is counted of the parts of a point's series."""
        query = (
            select(Series.arm, Segment, HourProfile)
            .join(Segment, Segment.series_id == Series.id)
            .join(HourProfile, HourProfile.series_id == Segment.id)
        )
        async with self.database.session(ALL_TENANTS) as session:
            found = (await session.execute(query.where(Series.point_id == point))).all()
        return {
            (arm, f"{part.variable}={part.value}", h.kind, h.hour): Tally.decode(h.payload)
            for arm, part, h in found
        }


class Play:
    """One example: its own decision point, its own decisions."""

    def __init__(
        self, bench: Bench, decisions: Sequence[Decision], *, segments: Sequence[str] = ()
    ) -> None:
        self.bench = bench
        self.segments = segments
        self.decisions = decisions
        self.point = UUID(int=next(IDS))
        self.ids = [uuid.uuid5(self.point, str(number)) for number in range(len(decisions))]
        self.accepted: list[tuple[Kind, int]] = []
        self.key = str(self.point)
        self._place_point()

    def _place_point(self) -> None:
        with psycopg.connect(self.bench.url) as connection:
            connection.execute(
                "INSERT INTO catalog_decision_point (tenant_id, id, key, kind, owner_id,"
                " description, contract, revision) VALUES (%s, %s, %s, 'process', %s, '', %s, 1)",
                (
                    self.bench.actor.tenant_id, self.point, self.key, UUID(int=1),
                    Jsonb({"segments": list(self.segments)} if self.segments else {}),
                ),
            )  # fmt: skip

    def messages(self) -> list[Message]:
        """What has to be sent, in the natural order."""
        found: list[Message] = []
        for number, decision in enumerate(self.decisions):
            found.append(("event", number))
            if decision.shadow is not None:
                found.append(("shadow", number))
            if decision.matured:
                found.append(("outcome", number))
            if decision.corrected is not None:
                found.append(("correction", number))
        return found

    def body(self, kind: Kind, number: int, *, arm: str = "champion") -> dict[str, Any]:
        decision = self.decisions[number]
        if kind == "correction":
            return {
                "decision_id": str(self.ids[number]),
                "reward": decision.corrected,
                "cost": 0.1,
                "revision": 1,
                "at": decision.at,
            }
        if kind == "outcome":
            return {
                "decision_id": str(self.ids[number]),
                "label": decision.label,
                "reward": decision.reward,
                "cost": decision.cost,
                "at": decision.at,
            }
        part = Part.SHADOW if kind == "shadow" else Part.ARM
        claim = Claim(
            part=part,
            decision_id=self.ids[number].bytes,
            point_id=self.point.bytes,
            version_id=self.bench.version.bytes,
            plan_revision=1,
            generation=1,
            propensity=1.0,
            at_ms=0,
            unit=bytes(8),
            arm="watcher" if kind == "shadow" else arm,
        )
        return {
            "token": seal(claim, *self.bench.keys.current),
            "at": decision.at,
            "features": {"x": decision.x, **decision.told_apart(self.segments)},
            "score": decision.shadow if kind == "shadow" else decision.score,
        }

    async def send(self, process: int, batch: Sequence[Message]) -> None:
        """Send one batch: its events in one call, then its outcomes in another."""
        events = [self.body(*message) for message in batch if message[0] not in OUTCOMES]
        outcomes = [self.body(*message) for message in batch if message[0] in OUTCOMES]
        if events:
            self.accepted.append(("event", await self.bench.event(process, events)))
        if outcomes:
            self.accepted.append(("outcome", await self.bench.outcome(outcomes)))

    def expected(self, decisions: Sequence[Decision], *, part: bool = False) -> Profiles:
        """What one pass over everything, in memory, comes to; a ``part`` counts answers too."""
        found: dict[tuple[str, ProfileKind, int], list[Tally]] = defaultdict(list)
        for decision in decisions:
            arms = {"champion": decision.score}
            if decision.shadow is not None:
                arms["shadow:watcher"] = decision.shadow
            for arm, score in arms.items():
                layout = self.bench.layout
                size = layout.size + ANSWERS * part
                inputs = tally(*layout.place([[decision.x], [score]]), size)
                if part and score is not None:
                    inputs.counts[layout.size + (score >= THRESHOLD)] = 1
                found[arm, ProfileKind.INPUTS, decision.hour].append(inputs)
                if decision.matured or decision.corrected is not None:
                    said: tuple[float | None, ...]
                    said = (score, None, decision.label, decision.reward, decision.cost)
                    if decision.corrected is not None:
                        said = (score, None, None, decision.corrected, 0.1)
                    labelled = Labelled(*(NAN if v is None else v for v in said))
                    found[arm, ProfileKind.OUTCOMES, decision.hour].append(fold([labelled]))
        return {key: merged(tallies) for key, tallies in found.items()}

    def expected_parts(self) -> Parts:
        """What one pass over the decisions of each value comes to."""
        found: Parts = {}
        for name in self.segments:
            by_value: dict[str, list[Decision]] = defaultdict(list)
            for decision in self.decisions:
                by_value[value_of(getattr(decision, name))].append(decision)
            for value, some in by_value.items():
                for (arm, kind, hour), one in self.expected(some, part=True).items():
                    found[arm, f"{name}={value}", kind, hour] = one
        return found

    async def check(self) -> None:
        """Compare to the last byte, series and parts; parts of a feature add up to the series."""
        found, wanted = await self.bench.profiles(self.point), self.expected(self.decisions)
        assert found.keys() == wanted.keys()
        for key, one in wanted.items():
            assert found[key].encode() == one.encode(), key
        parts, parts_wanted = await self.bench.parts(self.point), self.expected_parts()
        assert parts.keys() == parts_wanted.keys()
        for place, one in parts_wanted.items():
            assert parts[place].encode() == one.encode(), place
        check_sums(found, parts, self.segments)
        kinds = [kind for kind, _ in self.messages()]
        outcomes = sum(kind in OUTCOMES for kind in kinds)
        assert self.taken("event") == len(kinds) - outcomes
        assert self.taken("outcome") == outcomes

    def taken(self, kind: Kind) -> int:
        """How many were acknowledged as new."""
        return sum(count for what, count in self.accepted if what == kind)


def check_sums(whole: Profiles, parts: Parts, names: Sequence[str]) -> None:
    """The parts of one feature add up to the series."""
    for name in names:
        for (arm, kind, hour), one in whole.items():
            some = [
                tally for (of, part, what, when), tally in parts.items()
                if (of, what, when) == (arm, kind, hour) and part.startswith(f"{name}=")
            ]  # fmt: skip
            size = len(one.counts)
            added = merged(some)
            assert added.n == one.n
            assert added.counts[:size].tolist() == one.counts.tolist()
            assert added.sums[:size].tolist() == one.sums.tolist()
            assert added.moments.tolist() == one.moments.tolist()
