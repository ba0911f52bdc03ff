"""Policies: which steps a risk tier must pass, and what each step's gate asks. Pure data.

A policy that was stored is read as it is; what may be saved anew is decided by ``faults``.
"""

from dataclasses import dataclass
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any

from pydantic import (
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from app.gates.cel import Facts, evaluate
from app.gates.quorum import missing
from app.gates.steps import STEPS
from app.gates.supplies import supplies
from app.kit.canonical import digest as digest_of
from app.kit.input import Input

MAX_RULES = 300
CONCLUDED_BY_PATH = "kpi_validation"
QUORUM, VETO = "quorum", "nobody_rejects"
"""Sub-results that are not a rule's."""
GATES = frozenset(f"{kind}.{step}" for kind, steps in STEPS.items() for step in steps)


class Severity(StrEnum):
    """Whether a failed rule closes the gate or only shows."""

    BLOCK = "block"
    WARN = "warn"


class WayOut(StrEnum):
    """The ways out of a KPI validation."""

    DATA_DRIFT = "data_drift"
    BUSINESS_DRIFT = "business_drift"
    MATHEMATICAL_DRIFT = "mathematical_drift"
    DELIVERS = "delivers_as_promised"


class Rule(Input):
    model_config = ConfigDict(frozen=True)

    name: str = Field(pattern=r"^[a-z0-9_]{1,80}$")
    when: str = Field(max_length=4000, description="CEL; the rule holds when it is true.")
    reason: str = Field(max_length=500, description="Why it is asked, and how to satisfy it.")
    severity: Severity = Severity.BLOCK
    path: WayOut | None = Field(None, description="Way out of a KPI validation if it fails.")
    owner: str | None = Field(
        None, min_length=1, max_length=200, description="Who answers for the rule."
    )
    cites: tuple[Annotated[str, Field(min_length=1, max_length=120)], ...] = Field(
        (), max_length=10, description="What asks for it, such as `SR 11-7 V.2`."
    )


class Quorum(Input):
    """So many people of a role."""

    model_config = ConfigDict(frozen=True)

    role: str = Field(pattern=r"^[a-z_]{1,40}$")
    count: int = Field(1, ge=1, le=5)


class Gate(Input):
    model_config = ConfigDict(frozen=True)

    required: bool = True
    before_commit: bool = Field(
        True, description="In an activation: whether it must be passed before the swap."
    )
    rules: tuple[Rule, ...] = Field((), max_length=50)
    quorum: tuple[Quorum, ...] = Field(
        (), max_length=10, description="Who must approve; one person fills one place."
    )
    apart_from_evidence: bool = Field(
        False, description="Who submitted evidence for the step does not decide on it."
    )
    approval_days: int | None = Field(
        None, ge=1, le=366, description="An approval counts this long; null is for ever."
    )
    after: tuple[str, ...] = Field(
        (),
        max_length=10,
        description="Steps of the same case that come first, where they are required; others"
        " are judged in any order.",
        examples=[["endpoint_identification"]],
    )
    # Not written down where it says nothing new, so that digests of what was stored stay.
    emergencies: bool = Field(
        True,
        exclude_if=lambda value: value,
        description="Whether the glass may be broken here. False where no hurry is a reason, as in"
        " a validation; a rule may still be waived by approval.",
    )


class Revalidation(Input):
    """Who is told when a version is to be validated again."""

    model_config = ConfigDict(frozen=True)

    remind_days: tuple[Annotated[int, Field(ge=0, le=3660)], ...] = Field(
        (30, 7, 0), max_length=10, description="The owner is reminded so many days before."
    )
    escalate_days: int = Field(
        7, ge=0, le=3660, description="So many days after, the production committee is told."
    )


class Telemetry(Input):
    """What production has to report of a champion. Shares are of 1; null asks for nothing."""

    model_config = ConfigDict(frozen=True)

    silence_minutes: int | None = Field(
        None, ge=1, le=525_600, description="The longest time without an event…"
    )
    silence_intervals: float = Field(
        10.0, ge=1, le=10_000, description="…or so many of the contract's intervals, if longer."
    )
    features: float | None = Field(None, gt=0, le=1, description="Events with their inputs.")
    scores: float | None = Field(None, gt=0, le=1, description="Events with a score.")
    outcomes: float | None = Field(None, gt=0, le=1, description="Events with an outcome…")
    outcome_hours: int = Field(
        24, ge=0, le=8784, description="…which is not asked for before they are so old."
    )
    window_hours: int = Field(24, ge=1, le=744, description="Shares are of so many hours' events.")


_LATER = ("revalidation", "telemetry", "delegates_promotion")
"""What policies could not say at first: where they say nothing of it, it is not written down."""


class Policy(Input):
    """The gates of one risk tier, by kind of case and step: ``release.kpi_validation``."""

    model_config = ConfigDict(frozen=True)

    gates: dict[str, Gate]
    revalidate_days: int | None = Field(
        None, ge=1, le=3660, description="Champions must be validated again within this time."
    )
    revalidation: Revalidation | None = Field(
        None, description="Who is told of that when; null is as `{}`."
    )
    telemetry: Telemetry | None = Field(
        None, description="What production has to report; null asks for nothing."
    )

    delegates_promotion: bool | None = Field(
        None,
        description="The server itself asks for the swap that an experiment of everybody advises,"
        " judges it and makes it once all that comes before it is passed. What the gates ask of"
        " people they still ask, unless a rule takes `evidence.experiment` instead. Not of the"
        " highest tier.",
    )

    @model_serializer(mode="wrap")
    def _as_stored(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write a policy as it always was, so that its digest stays."""
        found: dict[str, Any] = write(self)
        return {
            name: value for name, value in found.items() if name not in _LATER or value is not None
        }

    @model_validator(mode="after")
    def _complete(self) -> "Policy":
        if unknown := self.gates.keys() - GATES:
            raise ValueError(f"unknown gates: {', '.join(sorted(unknown))}")
        if missing := GATES - self.gates.keys():
            raise ValueError(f"missing gates: {', '.join(sorted(missing))}")
        for kind, steps in STEPS.items():
            _require_order({step: self.gates[f"{kind}.{step}"].after for step in steps})
        return self


def _require_order(after: dict[str, tuple[str, ...]]) -> None:
    """Refuse an order of a case's steps that names others, or that nobody could keep to."""
    for step, first in after.items():
        if unknown := set(first) - after.keys():
            raise ValueError(f"{step} comes after {', '.join(sorted(unknown))}: no such step")
    try:
        TopologicalSorter(after).prepare()
    except CycleError as error:
        raise ValueError(f"steps wait for each other: {' → '.join(error.args[1])}") from error


def terms_of(gate: Gate) -> dict[str, str]:
    """Return a digest of what each rule of a gate asks, its quorum's among them."""
    found = {rule.name: digest_of([rule.when, rule.severity.value]) for rule in gate.rules}
    if gate.quorum:
        found[QUORUM] = digest_of([item.model_dump(mode="json") for item in gate.quorum])
    return found


def weigh(gate: Gate, facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a gate's rules and quorum say about the facts: a verdict's sub-results.

    ``facts["waivers"]`` are those in force: what fails under one is marked with it. That somebody
    rejects fails under none, not in an emergency either.
    """
    results = check(gate.rules, facts)
    if gate.quorum:
        results.append(_quorum(gate, facts))
    for result in results:
        result["waiver"] = None if result["passed"] else _waiver(result["rule"], facts)
    if facts["rejections"]:
        results.append(_veto(facts))
    return results


def check(rules: tuple[Rule, ...], facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what each rule says about the facts."""
    known = Facts(facts)
    results = []
    for rule in rules:
        answer = evaluate(rule.when, known)
        results.append(
            {
                "rule": rule.name,
                "passed": answer.passed,
                "severity": rule.severity.value,
                "reason": rule.reason,
                "path": rule.path and rule.path.value,
                "error": answer.error,
                "owner": rule.owner,
                "cites": list(rule.cites),
            }
        )
    return results


def _quorum(gate: Gate, facts: dict[str, Any]) -> dict[str, Any]:
    lacking = missing([(item.role, item.count) for item in gate.quorum], facts["approvals"])
    asked = ", ".join(f"{item.count} × {item.role}" for item in gate.quorum)
    said = ", ".join(f"{count} × {role}" for role, count in lacking.items())
    reason = f"Approved by {asked}." + (f" Missing: {said}." if said else "")
    return _people(QUORUM, reason, passed=not lacking)


def _veto(facts: dict[str, Any]) -> dict[str, Any]:
    count = len(facts["rejections"])
    reason = f"Nobody rejects the step; {count} did and did not take it back."
    return _people(VETO, reason, passed=False) | {"waiver": None}


def _people(name: str, reason: str, *, passed: bool) -> dict[str, Any]:
    """Return a sub-result about who decided, which is no rule's."""
    return {
        "rule": name,
        "passed": passed,
        "severity": Severity.BLOCK.value,
        "reason": reason,
        "path": None,
        "error": None,
        "owner": None,
        "cites": [],
    }


def _waiver(rule: str, facts: dict[str, Any]) -> str | None:
    """Return the waiver in force under which a rule need not hold."""
    found = (item["id"] for item in facts.get("waivers", ()) if item["rule"] in {rule, "*"})
    return next(found, None)


def passed(results: list[dict[str, Any]]) -> bool:
    """Say whether no blocking rule failed, but under a waiver."""
    return not any(
        not result["passed"] and result["severity"] == Severity.BLOCK and not result.get("waiver")
        for result in results
    )


def way_out(results: list[dict[str, Any]]) -> WayOut | None:
    """Return how a KPI validation ends, or ``None`` if it cannot be concluded.

    A rule that could not be evaluated concludes nothing; otherwise the first failed rule with a
    path decides: data before business before mathematics, as the policy lists them.
    """
    failed = [
        result
        for result in results
        if not result["passed"] and result["path"] and not result.get("waiver")
    ]
    if any(result["error"] for result in failed):
        return None
    if failed:
        return WayOut(failed[0]["path"])
    return WayOut.DELIVERS if passed(results) else None


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a gate says about facts."""

    passed: bool
    path: WayOut | None
    results: list[dict[str, Any]]


def ruling_of(gate: Gate, step: str, facts: dict[str, Any]) -> Ruling:
    """Return what a step's gate says about facts: of a KPI validation with its way out."""
    results = weigh(gate, facts)
    asked = {QUORUM: "approvals", VETO: "rejections"} | {
        rule.name: rule.when for rule in gate.rules
    }
    for result in results:
        when = asked[result["rule"]]
        result["mend"] = (
            [] if result["passed"] else supplies(facts["case"], step, when, facts.get("version"))
        )
    path = way_out(results) if step == CONCLUDED_BY_PATH else None
    return Ruling(passed(results), path, results)
