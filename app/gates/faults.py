"""What keeps a policy from being saved: every fault of every rule, with its place. Pure."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import ValidationError

from app.gates.cel import BadExpression, compiled
from app.gates.policy import GATES, MAX_RULES, Policy
from app.gates.rules import BadPolicy

_MOST = 200
_WRITTEN = 4
"""How long the place of a rule is: ``gates``, the gate's name, ``rules``, its number."""


@dataclass(frozen=True, slots=True)
class PolicyFault:
    """One fault; line and column, from 1, lie within the rule's ``when``."""

    gate: str | None
    rule: str | None
    problem: str
    line: int | None = None
    column: int | None = None


def checked(body: dict[str, Any]) -> Policy:
    """Return the policy that a body means; raise ``BadPolicy`` with all that is wrong with it."""
    found = list(_of_rules(body))
    policy: Policy | None = None
    try:
        policy = Policy.model_validate(body)
    except ValidationError as error:
        found = [*_of_shape(body, error), *found]
    if policy is None or found:
        first = found[0]
        at = ", ".join(part for part in (first.gate, first.rule and f"rule {first.rule}") if part)
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise BadPolicy(
            f"{at}: {first.problem}{more}" if at else f"{first.problem}{more}",
            errors=[asdict(fault) for fault in found[:_MOST]],
        )
    return policy


def _of_rules(body: dict[str, Any]) -> Iterator[PolicyFault]:
    """Yield what is wrong with the expressions and names of whatever looks like a rule."""
    rules = [
        (gate, rule) for gate in sorted(GATES) for rule in _listed(body, gate) if _legible(rule)
    ]
    if len(rules) > MAX_RULES:
        yield PolicyFault(None, None, f"more than {MAX_RULES} rules")
        return
    for (gate, name), times in Counter((gate, rule["name"]) for gate, rule in rules).items():
        if times > 1:
            yield PolicyFault(gate, name, f"{times} rules of the gate have this name")
    for gate, rule in rules:
        try:
            compiled(rule["when"])
        except BadExpression as error:
            for fault in error.faults:
                yield PolicyFault(gate, rule["name"], fault.problem, fault.line, fault.column)


def _of_shape(body: dict[str, Any], error: ValidationError) -> Iterator[PolicyFault]:
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        place = item["loc"]
        gate = str(place[1]) if len(place) > 1 else None
        rule = None
        if gate is not None and len(place) >= _WRITTEN and isinstance(place[3], int):
            written = _listed(body, gate)[place[3]]
            rule = written["name"] if _legible(written) else str(place[3])
        named = _WRITTEN if rule else 2 if gate else 0
        where = ".".join(str(part) for part in place[named:])
        problem = item["msg"].removeprefix("Value error, ")
        yield PolicyFault(gate, rule, f"{where}: {problem}" if where else problem)


def _listed(body: dict[str, Any], gate: str) -> list[Any]:
    gates = body.get("gates")
    found = gates.get(gate) if isinstance(gates, dict) else None
    rules = found.get("rules") if isinstance(found, dict) else None
    return rules if isinstance(rules, list) else []


def _legible(rule: Any) -> bool:
    return (
        isinstance(rule, dict)
        and isinstance(rule.get("name"), str)
        and isinstance(rule.get("when"), str)
    )
