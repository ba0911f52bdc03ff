"""How two policies differ, gate by gate and rule by rule. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.gates.policy import Gate, Policy


class Kind(StrEnum):
    """What became of a gate or a rule."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: of a rule, or where ``rule`` is none of the gate itself."""

    gate: str
    rule: str | None
    change: Kind
    before: dict[str, Any] | None
    after: dict[str, Any] | None


def differences(before: Policy, after: Policy) -> list[Change]:
    """Return what was added, removed and changed, in the order of gates and rules."""
    return [
        change
        for gate in sorted(before.gates.keys() | after.gates.keys())
        for change in _of_gate(gate, before.gates[gate], after.gates[gate])
    ]


def _of_gate(gate: str, before: Gate, after: Gate) -> Iterator[Change]:
    old, new = _itself(before), _itself(after)
    common = {rule.name for rule in before.rules} & {rule.name for rule in after.rules}
    orders = [[rule.name for rule in side.rules if rule.name in common] for side in (before, after)]
    if orders[0] != orders[1]:
        # The first failed rule with a path decides the way out, so that their order is a fact.
        old["order"], new["order"] = orders
    if old != new:
        yield Change(gate, None, Kind.CHANGED, old, new)
    was = {rule.name: rule.model_dump(mode="json") for rule in before.rules}
    now = {rule.name: rule.model_dump(mode="json") for rule in after.rules}
    for name in [*was, *(name for name in now if name not in was)]:
        if name not in now:
            yield Change(gate, name, Kind.REMOVED, was[name], None)
        elif name not in was:
            yield Change(gate, name, Kind.ADDED, None, now[name])
        elif was[name] != now[name]:
            yield Change(gate, name, Kind.CHANGED, was[name], now[name])


def _itself(gate: Gate) -> dict[str, Any]:
    return gate.model_dump(mode="json", exclude={"rules"})
