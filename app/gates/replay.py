"""Judging again what was judged: by another policy, or by the same to see that nothing moved. Pure.

A verdict holds the facts that its rules looked at, so that judging again is only computing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.gates.policy import Policy, Ruling, WayOut, ruling_of


@dataclass(frozen=True, slots=True)
class Past:
    """A verdict as it is stored."""

    id: UUID
    case_id: UUID
    gate: str
    step: str
    at: datetime
    passed: bool
    path: WayOut | None
    facts: dict[str, Any]
    results: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class RuleChange:
    """A rule that says otherwise; null where the policy does not have it."""

    rule: str
    before: bool | None
    after: bool | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Changed:
    """A verdict that would have been another."""

    past: Past
    ruling: Ruling
    rules: list[RuleChange]


def rule_on(policy: Policy, past: Past) -> Ruling:
    """Return what a policy says about the facts of a verdict."""
    return ruling_of(policy.gates[past.gate], past.step, past.facts)


def replay(policy: Policy, verdicts: Iterable[Past]) -> Iterator[Changed | None]:
    """Yield for each verdict how it would change, or nothing if it would not."""
    for past in verdicts:
        ruling = rule_on(policy, past)
        rules = _moved(past.results, ruling.results)
        same = (ruling.passed, ruling.path) == (past.passed, past.path)
        yield None if same and not rules else Changed(past, ruling, rules)


def unlike(past: Past, ruling: Ruling) -> list[str]:
    """Return which parts of a stored verdict are not what its facts and policy say.

    Of an error only that it was one is compared: its words are the runtime's. Verdicts of before
    rules had owners and citations are as those of rules without. Which calls mend it is advice of
    the day, not part of the verdict.
    """
    pairs = {
        "passed": (past.passed, ruling.passed),
        "path": (past.path, ruling.path),
        "results": (
            [_worded(item) for item in past.results],
            [_worded(item) for item in ruling.results],
        ),
    }
    return [name for name, (stored, found) in pairs.items() if stored != found]


def _worded(result: dict[str, Any]) -> dict[str, Any]:
    return {
        "owner": None,
        "cites": [],
        "waiver": None,
        **result,
        "error": result.get("error") is not None,
        "mend": [],
    }


def _moved(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[RuleChange]:
    """Return the rules that fail on one side only; a rule that is not there fails nothing."""
    was = {item["rule"]: item for item in before}
    now = {item["rule"]: item for item in after}
    found = []
    for name in [*was, *(name for name in now if name not in was)]:
        old, new = was.get(name), now.get(name)
        failed = [item is not None and not item["passed"] for item in (old, new)]
        if failed[0] != failed[1]:
            found.append(
                RuleChange(
                    name,
                    old["passed"] if old else None,
                    new["passed"] if new else None,
                    new["error"] if new else None,
                )
            )
    return found
