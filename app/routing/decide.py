"""The route call: one unit in, one arm out, no database."""

import time
from typing import Any

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge

from app.kit.actor import Actor
from app.kit.ids import uuid7_int
from app.kit.refusal import NotFound
from app.kit.strictjson import loads_flat
from app.routing.engine import Arm, Compiled, cbor_text
from app.routing.rules import BadRouteRequest
from app.routing.snapshot import RoutingTable
from app.telemetry import Claim, Part, seal, unit_hash

MAX_UNIT = 256


class Decider:
    """Answers route calls of one process from its table."""

    def __init__(self, table: RoutingTable, registry: CollectorRegistry) -> None:
        self._table = table
        self._decisions = Counter("modelward_decisions", "Decisions routed.", registry=registry)
        age = Gauge(
            "modelward_routing_table_age_seconds", "Since the table was last current.",
            registry=registry,
        )  # fmt: skip
        age.set_function(lambda: table.age_ms / 1000)

    async def route(self, actor: Actor, key: str, body: bytes) -> tuple[int, bytes]:
        """Say which version answers for a unit at a decision point."""
        unit = _unit(loads_flat(body))
        plan = self._table.find(actor.tenant_id, key)
        if plan is None:
            raise NotFound("decision point with a version that answers", key)
        key_id, secret = self._table.signing_key(actor.tenant_id)
        now_ns = time.time_ns()
        decision = uuid7_int(now_ns)
        text = cbor_text(unit)
        arm = plan.assign(text)
        pseudonym = unit_hash(secret, unit)

        def token(chosen: Arm, part: Part) -> str:
            return seal(
                Claim(
                    part=part,
                    decision_id=decision.to_bytes(16, "big"),
                    point_id=plan.point_id,
                    version_id=chosen.version_id,
                    plan_revision=plan.revision,
                    generation=plan.generation,
                    propensity=chosen.propensity,
                    at_ms=now_ns // 1_000_000,
                    unit=pseudonym,
                    arm=chosen.name,
                ),
                key_id,
                secret,
            )

        shadows = b""
        if plan.shadows:
            shadows = b",".join(
                b'{%b,"token":"%b"}' % (shadow.fragment, token(shadow, Part.SHADOW).encode())
                for shadow in plan.watchers(text)
            )
        self._decisions.inc()
        return 200, _answer(plan, arm, decision, token(arm, Part.ARM), shadows, self._table.age_ms)


def _unit(body: Any) -> str:
    if not isinstance(body, dict) or not body.keys() <= {"unit", "context"}:
        raise BadRouteRequest("The body has a unit, and a context if you like.")
    unit = body.get("unit")
    if not isinstance(unit, str) or not 0 < len(unit) <= MAX_UNIT:
        raise BadRouteRequest(f"unit is a string of 1 to {MAX_UNIT} characters.")
    if not isinstance(body.get("context", {}), dict):
        raise BadRouteRequest("context is an object.")
    return unit


def _answer(
    plan: Compiled, arm: Arm, decision: int, token: str, shadows: bytes, age_ms: int
) -> bytes:
    text = f"{decision:032x}"
    return (
        b'{"decision_id":"%b-%b-%b-%b-%b","decision_point":%b,%b,"shadows":[%b],'
        b'"token":"%b","plan_revision":%d,"generation":%d,"age_ms":%d}'
        % (
            text[:8].encode(),
            text[8:12].encode(),
            text[12:16].encode(),
            text[16:20].encode(),
            text[20:].encode(),
            orjson.dumps(plan.key),
            arm.fragment,
            shadows,
            token.encode(),
            plan.revision,
            plan.generation,
            age_ms,
        )
    )
