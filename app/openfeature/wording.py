"""Wording: decisions as OFREP words them."""

from enum import StrEnum
from typing import Any

from app.routing import Decided, value_of


class Reason(StrEnum):
    """Why a flag has its value, as OpenFeature calls it."""

    STATIC = "STATIC"
    TARGETING_MATCH = "TARGETING_MATCH"
    SPLIT = "SPLIT"
    DEFAULT = "DEFAULT"
    DISABLED = "DISABLED"
    STALE = "STALE"


def evaluation(decided: Decided, age_ms: int) -> dict[str, Any]:
    """Return a decision as an evaluated flag: its variant is the arm, its value who answers.

    What belongs to the one decision is metadata, the token among it: it goes back with the scored
    event, and in the unit's next context where segments are sticky. A flag of whom nobody answers
    is disabled and has no value: the client takes its own.
    """
    arm, plan = decided.arm, decided.plan
    metadata = {
        "decisionId": decided.id,
        "token": decided.token,
        "segment": decided.segment,
        "propensity": arm.propensity,
        "planRevision": plan.revision,
        "generation": plan.generation,
        "ageMs": age_ms,
    }
    found: dict[str, Any] = {
        "key": plan.key,
        "reason": reason(decided),
        "variant": arm.variant,
        "metadata": {name: value for name, value in metadata.items() if value is not None},
    }
    return found if decided.nobody else {**found, "value": value_of(arm)}


def reason(decided: Decided) -> Reason:
    """Return why a unit has its arm."""
    if decided.nobody:
        return Reason.DISABLED
    if decided.stale:
        return Reason.STALE
    if decided.arm.stop is not None:
        return Reason.DEFAULT  # something else was to answer
    branch = decided.branch
    if branch is None or sum(weight > 0 for weight in branch.weights) > 1:
        return Reason.SPLIT
    if branch is not decided.plan.branches[-1]:
        return Reason.TARGETING_MATCH
    return Reason.STATIC if len(decided.plan.branches) == 1 else Reason.DEFAULT
