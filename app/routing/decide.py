"""The route call: units in, arms out, no database."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple, TypeVar

import orjson
from prometheus_client import CollectorRegistry, Gauge

from app.kit.actor import Actor
from app.kit.ids import uuid7_int
from app.kit.refusal import NotFound
from app.kit.strictjson import loads_flat
from app.platform.http import PlainCounter
from app.routing.engine import Arm, Branch, Compiled, cbor_text
from app.routing.explaining import explanation, of_stale
from app.routing.rules import BadRouteRequest, NobodyAnswers, TableStale
from app.routing.snapshot import RoutingTable
from app.telemetry import BadToken, Part

T = TypeVar("T")

MAX_UNIT = 256
MOST_AT_ONCE = 1_000
_TURN = 50
"""So many are decided before others have a turn."""
_ARM, _SHADOW = int(Part.ARM), int(Part.SHADOW)
_KNOWN = {"unit", "context", "explain", "token"}


class Asked(NamedTuple):
    """One unit that somebody decides about, and what is known of it."""

    unit: str
    context: dict[str, Any]
    explain: bool = False
    token: str | None = None
    """That of its last decision, to keep its arm by."""


class Decided(NamedTuple):
    """A decision: who answers, with the token that proves it; none where a constant answers."""

    id: str
    plan: Compiled
    branch: Branch | None
    """The segment that took the unit; none of who is held out."""
    arm: Arm
    token: str | None
    shadows: str
    """As they stand in the JSON answer, without brackets."""

    @property
    def nobody(self) -> bool:
        """Whether a stop leaves nobody to answer."""
        return not self.arm.version_id and not self.arm.fragment

    @property
    def stale(self) -> bool:
        """Whether the fallback answers because the table is too old."""
        return self.arm is self.plan.stale

    @property
    def segment(self) -> str | None:
        """The name of the segment that took the unit."""
        return self.branch.name if self.branch is not None else None


class Decider:
    """Answers route calls of one process from its table."""

    def __init__(self, table: RoutingTable, registry: CollectorRegistry) -> None:
        self.table = table
        self._decisions = PlainCounter("modelward_decisions", "Decisions routed.", registry)
        self._forged = PlainCounter(
            "modelward_decisions_forged", "Of units whose last token was not of this server.",
            registry,
        )  # fmt: skip
        age = Gauge(
            "modelward_routing_table_age_seconds", "Since the table was last current.",
            registry=registry,
        )  # fmt: skip
        age.set_function(lambda: table.age_ms / 1000)

    def route(self, actor: Actor, key: str, body: bytes) -> tuple[int, bytes]:
        """Say which version answers for a unit at a decision point."""
        actor.require_point(key)
        asked = _asked(loads_flat(body))
        plan = self._plan(actor, key)
        return 200, self._text(asked, self.decide(actor, plan, asked)).encode()

    async def route_many(self, actor: Actor, key: str, body: bytes) -> tuple[int, bytes]:
        """Say which versions answer for many units, in their order: all by one plan."""
        actor.require_point(key)
        many = _many(loads_flat(body))
        plan = self._plan(actor, key)
        answers = []
        async for asked in in_turns(many):
            decided = self.decide(actor, plan, asked)
            answers.append(self._nobody(decided) if decided.nobody else self._text(asked, decided))
        return 200, f'{{"decisions":[{",".join(answers)}]}}'.encode()

    def _plan(self, actor: Actor, key: str) -> Compiled:
        plan = self.table.find(actor.tenant_id, key)
        if plan is None:
            self.table.require_loaded()
            raise NotFound("decision point with a version that answers", key)
        return plan

    def decide(self, actor: Actor, plan: Compiled, asked: Asked) -> Decided:
        """Decide about a unit: without the database, and counted."""
        sealer, table = self.table.sealer(actor.tenant_id), self.table
        now_ns = time.time_ns()
        decision = uuid7_int(now_ns).to_bytes(16, "big")
        text = cbor_text(asked.unit)
        arm, branch, _ = plan.choose(asked.unit, text, asked.context)
        if branch is not None and branch.sticky_ms is not None and asked.token is not None:
            arm = self._kept(actor, plan, branch, asked, asked.token) or arm
        if plan.oldest_ms is not None and table.too_old(plan):
            arm, branch = _when_stale(plan), None
        pseudonym = sealer.unit(asked.unit)

        def token(chosen: Arm, part: int) -> str:
            return sealer.seal(
                part, decision, plan.point_id, chosen.version_id, plan.revision, plan.generation,
                chosen.propensity, now_ns // 1_000_000, pseudonym, chosen.name,
            )  # fmt: skip

        shadows = ""
        if plan.shadows:
            shadows = ",".join(
                f'{{{shadow.fragment},"token":"{token(shadow, _SHADOW)}"}}'
                for shadow in plan.watchers(text)
            )
        if arm.version_id or arm.fragment:
            self._decisions.value += 1
        id_ = decision.hex()
        return Decided(
            f"{id_[:8]}-{id_[8:12]}-{id_[12:16]}-{id_[16:20]}-{id_[20:]}",
            plan,
            branch,
            arm,
            # Where a constant answers no version earns or loses by it.
            token(arm, _ARM) if arm.version_id else None,
            shadows,
        )

    def _kept(
        self, actor: Actor, plan: Compiled, branch: Branch, asked: Asked, token: str
    ) -> Arm | None:
        """Return the arm that a unit's last token gave it, if it may keep it.

        What cannot be read decides nothing: an application must not fail by a cookie.
        """
        try:
            last = self.table.keys(actor.tenant_id).decided(token, plan.point_id, asked.unit)
        except BadToken:
            self._forged.value += 1
            return None
        if last is None or last.at_ms < (branch.sticky_ms or 0):
            return None
        # A token has the chance in single precision.
        return branch.kept(last.arm, last.version_id, float(f"{last.propensity:.7g}"))

    def _nobody(self, decided: Decided) -> str:
        """Return the answer for one of many whom nobody answers; the others have theirs."""
        said: dict[str, Any] = {
            "arm": decided.arm.name,
            "model": None,
            "version": None,
            "version_id": None,
            "shadows": [],
            "token": None,
            "stopped": True,
            "stop_id": decided.arm.stop,
            "age_ms": self.table.age_ms,
        }
        text = orjson.dumps(said).decode()[1:]
        return f'{{"decision_id":"{decided.id}",{decided.plan.fragment},{text}'

    def _text(self, asked: Asked, decided: Decided) -> str:
        if decided.nobody:
            key, stop = decided.plan.key, decided.arm.stop
            raise NobodyAnswers(f"{key} is stopped, and nothing stands in.", stop_id=stop)
        sealed = "null" if decided.token is None else f'"{decided.token}"'
        why = ""
        if asked.explain:
            plan, stale = decided.plan, decided.stale
            found = (
                of_stale(plan)
                if stale
                else explanation(plan, asked.unit, asked.context, decided.arm.name)
            )
            why = f',"explanation":{orjson.dumps(found).decode()}'
        return (
            f'{{"decision_id":"{decided.id}",{decided.plan.fragment},{decided.arm.fragment},'
            f'"shadows":[{decided.shadows}],"token":{sealed},"age_ms":{self.table.age_ms}{why}}}'
        )


async def in_turns(many: Sequence[T]) -> AsyncIterator[T]:
    """Yield all of them; after every few others have a turn, who would wait for all."""
    for number, one in enumerate(many, 1):
        yield one
        if not number % _TURN:
            await asyncio.sleep(0)


def _when_stale(plan: Compiled) -> Arm:
    if plan.stale is None:
        raise TableStale(
            f"{plan.key} is not decided by a table older than {(plan.oldest_ms or 0) / 1000:g} s."
        )
    return plan.stale


def _many(body: Any) -> list[Asked]:
    if not isinstance(body, dict) or body.keys() != {"units"}:
        raise BadRouteRequest("The body has units: a list of what a single call would send.")
    units = body["units"]
    if not isinstance(units, list) or not 0 < len(units) <= MOST_AT_ONCE:
        raise BadRouteRequest(f"units is a list of 1 to {MOST_AT_ONCE:,}.")
    many = []
    for index, one in enumerate(units):
        try:
            many.append(_asked(one))
        except BadRouteRequest as refusal:
            raise BadRouteRequest(f"units[{index}]: {refusal.detail}", index=index) from refusal
    return many


def _asked(body: Any) -> Asked:
    if not isinstance(body, dict) or not body.keys() <= _KNOWN:
        raise BadRouteRequest("The body has a unit, and a context, a token, explain if you like.")
    unit, context, explain = body.get("unit"), body.get("context", {}), body.get("explain", False)
    token = body.get("token")
    if not isinstance(unit, str) or not 0 < len(unit) <= MAX_UNIT:
        raise BadRouteRequest(f"unit is a string of 1 to {MAX_UNIT} characters.")
    if not isinstance(context, dict):
        raise BadRouteRequest("context is an object.")
    if not isinstance(explain, bool):
        raise BadRouteRequest("explain is true or false.")
    if token is not None and not isinstance(token, str):
        raise BadRouteRequest("token is a string, or null.")
    return Asked(unit, context, explain, token)
