"""The route call: one unit in, one arm out, no database."""

import time
from typing import Any

from prometheus_client import CollectorRegistry, Gauge

from app.kit.actor import Actor
from app.kit.ids import uuid7_int
from app.kit.refusal import NotFound
from app.kit.strictjson import loads_flat
from app.platform.http import PlainCounter
from app.routing.engine import Arm, cbor_text
from app.routing.rules import BadRouteRequest, NobodyAnswers
from app.routing.snapshot import RoutingTable
from app.telemetry import Claim, Part, seal, unit_hash

MAX_UNIT = 256


class Decider:
    """Answers route calls of one process from its table."""

    def __init__(self, table: RoutingTable, registry: CollectorRegistry) -> None:
        self._table = table
        self._decisions = PlainCounter("modelward_decisions", "Decisions routed.", registry)
        age = Gauge(
            "modelward_routing_table_age_seconds", "Since the table was last current.",
            registry=registry,
        )  # fmt: skip
        age.set_function(lambda: table.age_ms / 1000)

    async def route(self, actor: Actor, key: str, body: bytes) -> tuple[int, bytes]:
        """Say which version answers for a unit at a decision point."""
        actor.require_point(key)
        unit = _unit(loads_flat(body))
        plan = self._table.find(actor.tenant_id, key)
        if plan is None:
            raise NotFound("decision point with a version that answers", key)
        key_id, secret = self._table.signing_key(actor.tenant_id)
        now_ns = time.time_ns()
        decision = uuid7_int(now_ns).to_bytes(16, "big")
        text = cbor_text(unit)
        arm = plan.assign(text)
        pseudonym = unit_hash(secret, unit)

        def token(chosen: Arm, part: Part) -> str:
            claim = Claim(
                part,
                decision,
                plan.point_id,
                chosen.version_id,
                plan.revision,
                plan.generation,
                chosen.propensity,
                now_ns // 1_000_000,
                pseudonym,
                chosen.name,
            )
            return seal(claim, key_id, secret)

        shadows = ""
        if plan.shadows:
            shadows = ",".join(
                f'{{{shadow.fragment},"token":"{token(shadow, Part.SHADOW)}"}}'
                for shadow in plan.watchers(text)
            )
        if arm.version_id:
            sealed = f'"{token(arm, Part.ARM)}"'
        elif arm.fragment:
            sealed = "null"  # a constant answers: no version earns or loses by it
        else:
            raise NobodyAnswers(f"{key} is stopped, and nothing stands in.", stop_id=arm.stop)
        self._decisions.value += 1
        id_ = decision.hex()
        answer = (
            f'{{"decision_id":"{id_[:8]}-{id_[8:12]}-{id_[12:16]}-{id_[16:20]}-{id_[20:]}",'
            f'{plan.fragment},{arm.fragment},"shadows":[{shadows}],'
            f'"token":{sealed},"age_ms":{self._table.age_ms}}}'
        )
        return 200, answer.encode()


def _unit(body: Any) -> str:
    if not isinstance(body, dict) or not body.keys() <= {"unit", "context"}:
        raise BadRouteRequest("The body has a unit, and a context if you like.")
    unit = body.get("unit")
    if not isinstance(unit, str) or not 0 < len(unit) <= MAX_UNIT:
        raise BadRouteRequest(f"unit is a string of 1 to {MAX_UNIT} characters.")
    if not isinstance(body.get("context", {}), dict):
        raise BadRouteRequest("context is an object.")
    return unit
