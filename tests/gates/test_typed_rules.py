"""Where much is at stake, what somebody typed says neither what runs nor who took it over."""

from typing import Any

import pytest

from app.gates.packs import PACKS
from app.gates.policy import check
from app.gates.rules import ReservedFact, require_unreserved
from tests.gates.dockets import DIGEST, in_order

STRICT = ("tier-medium", "tier-high", "sr-11-7", "eu-ai-act-high-risk")
HANDED = {"runbook": "https://example.org/runbook", "contact": "ops@example.org"}


def unmet(pack: str, gate: str, kind: str, said: dict[str, Any]) -> set[str]:
    facts = in_order(gate)
    facts["evidence"][kind] = said
    results = check(PACKS[pack].body.gates[gate].rules, facts)
    return {item["severity"] for item in results if not item["passed"]}


@pytest.mark.parametrize("pack", STRICT)
def test_a_deployment_is_said_by_its_targets_or_by_who_signed_it(pack: str) -> None:
    gate, typed = "activation.model_deployment", {"digest": DIGEST}

    assert unmet(pack, gate, "deployment", typed) == {"block"}
    told = {**typed, "targets": 2, "independent": True}
    assert unmet(pack, gate, "deployment", told) == set()
    assert unmet(pack, gate, "deployment", {**typed, "signed_by": {"part": None}}) == set()
    assert unmet("tier-low", gate, "deployment", typed) == {"warn"}


def test_at_the_high_tier_a_developer_does_not_say_alone_what_runs() -> None:
    gate, typed = "activation.model_deployment", {"digest": DIGEST}

    told = {**typed, "targets": 2, "independent": False}
    assert unmet("tier-high", gate, "deployment", told) == {"block"}
    own = {**typed, "signed_by": {"part": "developed the version"}}
    assert unmet("tier-high", gate, "deployment", own) == {"block"}


@pytest.mark.parametrize("pack", STRICT)
def test_a_version_is_handed_over_by_record_and_taken_over_by_somebody(pack: str) -> None:
    gate = "activation.model_activation"

    assert unmet(pack, gate, "hand_off", HANDED) == {"block"}
    assert unmet(pack, gate, "hand_off", {**HANDED, "accepted": False}) == {"block"}
    assert unmet(pack, gate, "hand_off", {**HANDED, "accepted": True}) == set()
    assert unmet("tier-low", gate, "hand_off", HANDED) == {"warn"}


def test_at_the_high_tier_nothing_undocumented_goes_into_production() -> None:
    gate, lacking = "activation.management_and_governance", {"complete": False, "gaps": ["card"]}

    assert unmet("tier-high", gate, "completeness", lacking) == {"block"}
    assert unmet("tier-medium", gate, "completeness", lacking) == {"warn"}


@pytest.mark.parametrize(
    ("kind", "field"), [("deployment", "targets"), ("hand_off", "accepted"), ("any", "signed_by")]
)
def test_nobody_says_himself_what_only_the_server_knows(kind: str, field: str) -> None:
    with pytest.raises(ReservedFact) as refusal:
        require_unreserved(kind, {field})
    assert refusal.value.extra["fields"] == [field]
