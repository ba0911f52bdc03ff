"""Explaining: why a unit has its arm, from the same plan that decided. Pure."""

from collections.abc import Mapping
from typing import Any

from app.routing.conditions import UNIT
from app.routing.engine import Compiled, cbor_text


def of_stale(plan: Compiled) -> dict[str, Any]:
    """Return why the fallback answers where the table is too old."""
    return {
        "why": f"The table is older than {(plan.oldest_ms or 0) / 1000:g} seconds.",
        "segment": None,
        "passed_by": [],
        "bucket": 0,
        "of": 0,
        "weights": {},
    }


def explanation(
    plan: Compiled, unit: str, context: Mapping[str, Any], given: str | None = None
) -> dict[str, Any]:
    """Return which segments passed a unit by, which took it, and where its bucket lies.

    Where it was ``given`` another arm than its bucket's, it keeps what it had.
    """
    arm, branch, bucket = plan.choose(unit, cbor_text(unit), context)
    if branch is None:
        assert plan.holdout is not None  # noqa: S101 - nothing else decides without a branch
        share = plan.holdout[0]
        return {
            "why": f"Held out: the unit's bucket of {share.of:,} is below {share.end:,}.",
            "segment": None,
            "passed_by": [],
            "bucket": bucket,
            "of": share.of,
            "weights": {arm.name: share.end},
        }
    passed = []
    for one in plan.branches:
        if one is branch:
            break
        test = one.test is None or one.test({**context, UNIT: unit})
        passed.append({"segment": one.name, "because": "layer" if test else "when"})
    weights: dict[str, int] = {}
    shares, total = branch.shares_of({**context, UNIT: unit})
    for other, weight in zip(branch.arms, shares, strict=True):
        weights[other.name] = weights.get(other.name, 0) + weight
    kept = "" if given in {None, arm.name} else f" It keeps {given!r}, which its last token tells."
    return {
        "why": f"Segment {branch.name!r} takes the unit; its bucket {bucket} of "
        f"{total} is {arm.name!r}'s.{kept}",
        "segment": branch.name,
        "passed_by": passed,
        "bucket": bucket,
        "of": total,
        "weights": weights,
    }
