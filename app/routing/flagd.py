"""Plans as flagd's flag definitions, so that an edge evaluates them itself. Pure.

What such a file says is evaluated to the same arm for the same unit and context; it names no
decision and seals no token, so that what an edge decided by it is scored without one.
"""

from typing import Any

import orjson

from app.routing.conditions import UNIT
from app.routing.engine import Arm, Branch, Compiled, Share

_OF_ONE_DECISION = {"propensity", "segment", "arm"}


def flag_of(plan: Compiled) -> dict[str, Any]:
    """Return a decision point's plan as a flag: a variant is an arm, its value who answers."""
    arms = {arm.variant: arm for branch in plan.branches for arm in branch.arms}
    targeting = _shared_out(plan.branches[-1])
    for branch in reversed(plan.branches[:-1]):
        targeting = {"if": [_taken(branch), _shared_out(branch), targeting]}
    if plan.holdout is not None:
        share, arm = plan.holdout
        arms[arm.variant] = arm
        targeting = {"if": [_within(share), arm.name, targeting]}
    remote = any(branch.remote for branch in plan.branches)
    first = next(one.variant for one, weight in _weighted(plan.branches[-1]) if weight)
    return {
        # What each unit's own chances decide no flag file can say: it is asked for at the server.
        "state": "DISABLED" if remote else "ENABLED",
        # One name stands for what different stops hold: which of them it was is not said here.
        "variants": {name: _without_stop(value_of(arm)) for name, arm in arms.items()},
        "defaultVariant": targeting if isinstance(targeting, str) else first,
        # A flag without targeting is static: a lone name would not be logic.
        "targeting": {} if isinstance(targeting, str) else targeting,
        "metadata": {
            "planRevision": plan.revision,
            "generation": plan.generation,
            **({"remoteOnly": True} if remote else {}),
        },
    }


def value_of(arm: Arm) -> dict[str, Any]:
    """Return what an arm answers, without what belongs to one decision."""
    if not arm.fragment:
        return {"stopped": True, "stop_id": arm.stop}
    said: dict[str, Any] = orjson.loads(f"{{{arm.fragment}}}")
    return {name: value for name, value in said.items() if name not in _OF_ONE_DECISION}


def _without_stop(value: dict[str, Any]) -> dict[str, Any]:
    return {name: said for name, said in value.items() if name != "stop_id"}


def _taken(branch: Branch) -> Any:
    conditions = [] if branch.when is None else [branch.when]
    if branch.layer is not None:
        conditions.append(_within(branch.layer))
    return conditions[0] if len(conditions) == 1 else {"and": conditions}


def _within(share: Share) -> Any:
    shares = [["out", share.begin], ["in", share.end - share.begin], ["out", share.of - share.end]]
    return {"===": [{"fractional": [_salted(share.salt), *shares]}, "in"]}


def _shared_out(branch: Branch) -> Any:
    weighted = [[arm.variant, weight] for arm, weight in _weighted(branch)]
    drawn = [name for name, weight in weighted if weight]
    if len(drawn) == 1:
        return drawn[0]
    by = [] if branch.salt is None else [_salted(branch.salt)]
    return {"fractional": [*by, *weighted]}


def _weighted(branch: Branch) -> list[tuple[Arm, int]]:
    return list(zip(branch.arms, branch.weights, strict=True))


def _salted(salt: str) -> Any:
    return {"cat": [f"{salt}/", {"var": UNIT}]}
