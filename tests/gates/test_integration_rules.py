"""Integration testing is proven, and by cases that whoever made the version did not choose."""

from typing import Any

import pytest

from app.gates.packs import PACKS
from app.gates.policy import check
from tests.gates.dockets import in_order

GATE = "release.integration_testing"
FOUND = {"cases": 40, "failures": 0, "p99_ms": 12.5, "expecting": 30, "bad_cases": 10,
         "requests": 100, "told_apart": True}  # fmt: skip
RUN = {"run": "0198c0de", "cases_from": "revision 2", "cases_part": None}
OLD = {**RUN, "cases_from": "revision 1"}
CHOSEN = {**RUN, "cases_part": "developed the version"}
TYPED: dict[str, Any] = {}
OWN = {**RUN, "cases_from": "request"}
SIGNED = {"signed_by": {"principal": "p", "part": None}}
SIGNED_BY_MAKER = {"signed_by": {"principal": "p", "part": "developed the version"}}
STRICT = ("tier-high", "sr-11-7", "eu-ai-act-high-risk")


def unmet(pack: str, said: dict[str, Any]) -> dict[str, str]:
    facts = in_order(GATE)
    facts["evidence"]["integration"] = {**FOUND, **said}
    results = check(PACKS[pack].body.gates[GATE].rules, facts)
    return {item["rule"]: item["severity"] for item in results if not item["passed"]}


@pytest.mark.parametrize("pack", STRICT)
def test_where_much_is_at_stake_only_agreed_cases_open_the_gate(pack: str) -> None:
    assert unmet(pack, RUN) == unmet(pack, SIGNED) == {}
    assert unmet(pack, TYPED) == {"proven": "block", "agreed_cases": "block"}
    for said in (OWN, OLD, CHOSEN, SIGNED_BY_MAKER):
        assert unmet(pack, said) == {"agreed_cases": "block"}


def test_at_the_medium_tier_what_was_typed_opens_nothing_and_own_cases_warn() -> None:
    assert unmet("tier-medium", RUN) == unmet("tier-medium", SIGNED) == {}
    assert unmet("tier-medium", TYPED) == {"proven": "block", "agreed_cases": "warn"}
    assert unmet("tier-medium", OWN) == {"agreed_cases": "warn"}


def test_at_the_low_tier_both_warn() -> None:
    assert unmet("tier-low", TYPED) == {"proven": "warn", "agreed_cases": "warn"}


def test_what_of_a_schema_nobody_held_against_the_answers_shows() -> None:
    for pack in ("tier-low", "tier-medium", "tier-high"):
        assert unmet(pack, {**RUN, "schema_unchecked": []}) == {}
        found = unmet(pack, {**RUN, "schema_unchecked": ["$.pattern: '(' is no pattern"]})
        assert found == {"schema_checked": "warn"}


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("answers_expected", {"expecting": 0}),
        ("refusals_tried", {"bad_cases": 0}),
        ("told_apart", {"told_apart": False}),
        ("loaded", {"requests": 99}),
        ("like_the_contract", {"unlike": ["a calm morning"]}),
    ],
)
def test_cases_that_ask_for_nothing_open_nothing(rule: str, said: dict[str, Any]) -> None:
    assert unmet("tier-high", {**RUN, **said}) == {rule: "block"}
    assert unmet("tier-medium", {**RUN, **said}) == {rule: "warn"}
