from hashlib import blake2b
from typing import Any

import orjson

from app.kit.actor import Actor
from app.kit.refusal import Refusal
from app.kit.strictjson import loads
from app.openfeature.operations import BULK_OPERATION, FLAG_OPERATION, FLAGS_FILE_OPERATION
from app.openfeature.rules import BadContext, FlagNotFound, NoTargetingKey, Unparsable
from app.openfeature.wording import evaluation
from app.platform.http import Authenticator, HotRoute, Tagged
from app.platform.settings import Settings
from app.routing import MAX_UNIT, UNIT, Asked, Compiled, Decider, TableStale, flag_of, in_turns

_SCHEMA = "https://flagd.dev/schema/v0/flags.json"


class Evaluator:
    """Answers OFREP and flagd's sync from the decider of one process."""

    def __init__(self, decider: Decider) -> None:
        self._decider = decider

    def flag(self, actor: Actor, key: str, body: bytes) -> tuple[int, bytes]:
        """Evaluate one flag."""
        actor.require_point(key)
        asked = _asked(body, key)
        plan = self._decider.table.find(actor.tenant_id, key)
        if plan is None:
            self._decider.table.require_loaded()
            raise FlagNotFound(f"No decision point {key!r} has a version that answers.", key)
        return 200, orjson.dumps(self._evaluated(actor, plan, asked))

    def flags(self, actor: Actor, _: str, body: bytes) -> Tagged:
        """Evaluate every flag; the tag is of plans and context, so that it holds while both do."""
        asked = _asked(body)
        plans = self._plans(actor)
        known = orjson.dumps([asked.unit, asked.context], option=orjson.OPT_SORT_KEYS)

        async def evaluate() -> bytes:
            flags = [self._one_of_many(actor, plan, asked) async for plan in in_turns(plans)]
            return orjson.dumps({"flags": flags})

        return self._tag(plans, known), evaluate

    def flags_file(self, actor: Actor, _: str, __: bytes) -> Tagged:
        """Write every plan as a flag that flagd evaluates to the same arms."""
        plans = self._plans(actor)

        async def write() -> bytes:
            flags = {plan.key: flag_of(plan) async for plan in in_turns(plans)}
            return orjson.dumps({"$schema": _SCHEMA, "flags": flags})

        return self._tag(plans, b""), write

    def _evaluated(self, actor: Actor, plan: Compiled, asked: Asked) -> dict[str, Any]:
        decided = self._decider.decide(actor, plan, asked)
        return evaluation(decided, self._decider.table.age_ms)

    def _one_of_many(self, actor: Actor, plan: Compiled, asked: Asked) -> dict[str, Any]:
        """Evaluate a flag; one that is not answered leaves the others theirs."""
        try:
            return self._evaluated(actor, plan, asked)
        except TableStale as refusal:
            return {"key": plan.key, "errorCode": "GENERAL", "errorDetails": refusal.detail}

    def _tag(self, plans: list[Compiled], known: bytes) -> str:
        """Return the ETag of what is evaluated by ``plans`` for what is ``known`` of a unit."""
        table = self._decider.table
        stand = orjson.dumps([(plan.key, plan.generation, table.too_old(plan)) for plan in plans])
        return f'"{blake2b(stand + known, digest_size=16).hexdigest()}"'

    def _plans(self, actor: Actor) -> list[Compiled]:
        plans = self._decider.table.of(actor.tenant_id)
        return [plan for plan in plans if actor.points is None or plan.key in actor.points]


def _asked(body: bytes, key: str | None = None) -> Asked:
    """Return what a body asks about; refuse it in the words of OFREP."""
    try:
        sent = loads(body)
    except Refusal as refusal:
        raise Unparsable(refusal.detail, key) from refusal
    context = sent.get("context") if isinstance(sent, dict) else None
    if not isinstance(context, dict):
        raise BadContext("The body has a context, which is an object.", key)
    unit = context.get(UNIT)
    if unit is None or unit == "":
        raise NoTargetingKey(f"The context has no {UNIT}.", key)
    if not isinstance(unit, str) or len(unit) > MAX_UNIT:
        raise BadContext(f"{UNIT} is a string of 1 to {MAX_UNIT} characters.", key)
    token = context.get("token")
    return Asked(unit, context, token=token if isinstance(token, str) else None)


def hot_routes(decider: Decider, settings: Settings, authenticate: Authenticator) -> list[HotRoute]:
    """Return the raw endpoints of flags."""
    evaluator = Evaluator(decider)

    def route(
        name: str, prefix: str, operation: dict[str, Any], method: str = "POST", **how: Any
    ) -> HotRoute:
        return HotRoute(
            name=f"openfeature:{name}",
            method=method,
            prefix=prefix,
            suffix="",
            permission="routing:decide",
            authenticate=authenticate,
            body_limit=65_536,
            body_seconds=settings.body_seconds,
            deadline=None,
            operation=operation,
            **how,
        )

    flags = "/ofrep/v1/evaluate/flags"
    return [
        route("evaluate_flag", f"{flags}/", FLAG_OPERATION, now=evaluator.flag),
        route("evaluate_flags", flags, BULK_OPERATION, conditional=evaluator.flags),
        route(
            "get_flags_file", "/flagd/v1/flags.json", FLAGS_FILE_OPERATION, "GET",
            conditional=evaluator.flags_file,
        ),
    ]  # fmt: skip
