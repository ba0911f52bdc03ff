from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.gates.faults import checked
from app.gates.packs import HIGH, LOW, MEDIUM, tier_policy
from app.gates.policy import Policy, Severity, WayOut, check, passed, way_out
from app.gates.rules import BadPolicy
from app.gates.steps import STEPS

TIERS = (LOW, MEDIUM, HIGH)
KPI = "release.kpi_validation"
ALL = {f"{kind}.{step}" for kind, steps in STEPS.items() for step in steps}


def facts(**evidence: Any) -> dict[str, Any]:
    rooms: dict[str, Any] = {name: {} for name in ("case", "version", "point")}
    return {**rooms, "evidence": evidence, "approvals": [], "rejections": []}


def measured(*, severe: float = 0, missed: int = 0, degraded: bool = False) -> dict[str, Any]:
    return facts(
        drift={"windows": 1, "severe_share": severe, "share": severe},
        kpi={
            "measured": [{"key": "margin"}],
            "missed": ["margin"] * missed,
            "unmeasured": [],
            "own": [],
        },
        performance={"degraded": degraded},
        rehearsal={"part": None},
    )


def kpi(found: dict[str, Any], tier: str = HIGH) -> list[dict[str, Any]]:
    return check(tier_policy(tier).gates[KPI].rules, found)


@pytest.mark.parametrize("tier", TIERS)
def test_the_tier_policy_names_every_gate_and_survives_being_stored(tier: str) -> None:
    policy = tier_policy(tier)

    assert set(policy.gates) == ALL
    assert Policy.model_validate(policy.model_dump(mode="json")) == policy


def required(tier: str) -> set[str]:
    return {name for name, gate in tier_policy(tier).gates.items() if gate.required}


def test_a_higher_tier_requires_all_that_a_lower_one_does_and_more() -> None:
    for lower, higher in pairwise(TIERS):
        assert required(lower) < required(higher)
    assert required(HIGH) == ALL


def test_no_tier_activates_without_validation_release_and_committee() -> None:
    assert required(LOW) >= {
        "validation.technical_validation",
        "release.model_release",
        KPI,
        "activation.management_and_governance",
    }
    for tier in TIERS:
        rules = tier_policy(tier).gates["activation.management_and_governance"].rules
        assert "production_committee" in {rule.name for rule in rules}


@pytest.mark.parametrize("tier", TIERS)
def test_every_required_gate_of_a_tier_policy_asks_something(tier: str) -> None:
    gates = tier_policy(tier).gates

    for name in required(tier):
        assert any(rule.severity is Severity.BLOCK for rule in gates[name].rules)
        assert not passed(check(gates[name].rules, facts()))


@pytest.mark.parametrize("tier", TIERS)
def test_only_steps_of_an_activation_may_follow_the_swap(tier: str) -> None:
    after = {name for name, gate in tier_policy(tier).gates.items() if not gate.before_commit}

    assert after
    assert all(name.startswith("activation.") for name in after)
    assert "activation.management_and_governance" not in after


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("missed", [0, 2])
@pytest.mark.parametrize("degraded", [False, True])
@pytest.mark.parametrize("severe", [0.0, 1.0])
def test_data_comes_before_business_before_mathematics(
    severe: float,
    missed: int,
    degraded: bool,  # noqa: FBT001 - a table's column
    tier: str,
) -> None:
    results = kpi(measured(severe=severe, missed=missed, degraded=degraded), tier)

    expected = WayOut.DELIVERS
    if degraded:
        expected = WayOut.MATHEMATICAL_DRIFT
    if missed:
        expected = WayOut.BUSINESS_DRIFT
    if severe:
        expected = WayOut.DATA_DRIFT
    assert way_out(results) is expected
    assert passed(results) is (expected is WayOut.DELIVERS)


@pytest.mark.parametrize("tier", TIERS)
def test_mild_drift_shows_and_closes_nothing(tier: str) -> None:
    found = measured()
    found["evidence"]["drift"]["share"] = 1.0

    results = kpi(found, tier)

    assert [item["rule"] for item in results if not item["passed"]] == ["data_moves"]
    assert passed(results)
    assert way_out(results) is WayOut.DELIVERS


@pytest.mark.parametrize("gone", ["drift", "kpi", "performance"])
@pytest.mark.parametrize("degraded", [False, True])
def test_what_could_not_be_measured_concludes_nothing(
    gone: str,
    degraded: bool,  # noqa: FBT001 - a table's column
) -> None:
    found = measured(degraded=degraded)
    del found["evidence"][gone]

    results = kpi(found)

    assert not passed(results)
    assert way_out(results) is None
    assert any(item["error"] for item in results)


RESULTS = st.lists(
    st.fixed_dictionaries(
        {
            "passed": st.booleans(),
            "severity": st.sampled_from(["block", "warn"]),
            "path": st.sampled_from([None, "data_drift", "business_drift", "mathematical_drift"]),
            "error": st.none(),
        }
    ),
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(RESULTS)
def test_the_first_failed_rule_with_a_path_decides_and_only_a_pass_delivers(
    results: list[dict[str, Any]],
) -> None:
    paths = [item["path"] for item in results if not item["passed"] and item["path"]]

    found = way_out(results)

    if paths:
        assert found == paths[0]
    else:
        assert found is (WayOut.DELIVERS if passed(results) else None)


@settings(max_examples=150, deadline=None)
@given(RESULTS, st.data())
def test_an_error_of_a_rule_with_a_path_concludes_nothing(
    results: list[dict[str, Any]], data: st.DataObject
) -> None:
    broken = {"passed": False, "severity": "block", "path": "data_drift", "error": "no evidence"}
    results.insert(data.draw(st.integers(0, len(results))), broken)

    assert way_out(results) is None
    assert not passed(results)


def written(**changes: Any) -> dict[str, Any]:
    body = tier_policy(LOW).model_dump(mode="json")
    body["gates"][KPI]["rules"][0].update(changes)
    return body


@pytest.mark.parametrize(
    "changes",
    [
        {"when": "1 + 1"},
        {"when": "evidence.("},
        {"when": "unknown.x"},
        {"when": ""},
        {"name": "Not A Name"},
        {"severity": "shrug"},
        {"path": "elsewhere"},
        {"extra": 1},
    ],
)
def test_a_policy_with_an_unusable_rule_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadPolicy) as refusal:
        checked(written(**changes))

    (fault,) = refusal.value.extra["errors"]
    assert fault["gate"] == KPI
    assert fault["rule"] == changes.get("name", "traffic_was_seen")
    assert fault["problem"]


@pytest.mark.parametrize("when", ["evidence.(", "1 + 1", "evidence.x * 2", ""])
def test_what_was_stored_before_a_check_existed_is_still_read_and_denies(when: str) -> None:
    stored = Policy.model_validate(written(when=when))

    results = check(stored.gates[KPI].rules, measured())

    assert not results[0]["passed"]
    assert results[0]["error"]


def in_order(**after: list[str]) -> dict[str, Any]:
    """A policy whose release steps wait for others."""
    body = tier_policy(HIGH).model_dump(mode="json")
    for step, first in after.items():
        body["gates"][f"release.{step}"]["after"] = first
    return body


def test_a_policy_may_say_which_steps_come_first() -> None:
    body = in_order(kpi_validation=["parameter_testing", "integration_testing"])

    assert checked(body).gates[KPI].after == ("parameter_testing", "integration_testing")


@pytest.mark.parametrize(
    ("after", "problem"),
    [
        ({"kpi_validation": ["celebration"]}, "no such step"),
        ({"kpi_validation": ["technical_validation"]}, "no such step"),
        ({"kpi_validation": ["kpi_validation"]}, "wait for each other"),
        (
            {"kpi_validation": ["parameter_testing"], "parameter_testing": ["kpi_validation"]},
            "wait for each other",
        ),
    ],
)
def test_an_order_that_nobody_could_keep_to_is_refused(
    after: dict[str, list[str]], problem: str
) -> None:
    with pytest.raises(BadPolicy, match=problem):
        checked(in_order(**after))


def test_a_policy_names_every_gate_and_no_other() -> None:
    body = written()
    less = {**body, "gates": {name: g for name, g in body["gates"].items() if name != KPI}}
    more = {**body, "gates": {**body["gates"], "release.celebration": {}}}

    with pytest.raises(ValidationError, match=r"missing gates: release\.kpi_validation"):
        Policy.model_validate(less)
    with pytest.raises(ValidationError, match=r"unknown gates: release\.celebration"):
        Policy.model_validate(more)


@pytest.mark.parametrize(
    ("gate", "evidence"),
    [
        ("activation.model_deployment", {"deployment": {"digest": None}}),
        ("activation.model_activation", {"hand_off": {"runbook": None, "contact": None}}),
        ("validation.business_validation", {"business": {"thresholds_met": None}}),
        ("release.integration_testing", {"integration": {"cases": None, "failures": 0}}),
    ],
)
def test_nothing_in_place_of_evidence_opens_no_gate(gate: str, evidence: Any) -> None:
    found = facts(**evidence)
    found["version"] = {"digest": None}
    found["approvals"] = [{"person": "p", "roles": ["validator", "committee"]}]

    assert not passed(check(tier_policy(HIGH).gates[gate].rules, found))


@pytest.mark.parametrize(
    ("gate", "role"),
    [
        ("validation.technical_validation", "validator"),
        ("activation.management_and_governance", "committee"),
    ],
)
def test_an_approval_counts_by_its_role_and_while_nobody_rejects(gate: str, role: str) -> None:
    def signed(roles: list[str], against: int) -> bool:
        found = facts()
        found["approvals"] = [{"person": "p", "roles": roles}]
        found["rejections"] = [{"person": "q", "roles": [role]}] * against
        results = check(tier_policy(LOW).gates[gate].rules, found)
        return bool(results[-1]["passed"])

    assert signed(["operator", role], 0)
    assert not signed(["operator", "developer"], 0)
    assert not signed([role], 1)


def test_a_verdict_holds_each_rule_with_its_reason_and_what_went_wrong() -> None:
    results = kpi(facts())

    names = [rule.name for rule in tier_policy(HIGH).gates[KPI].rules]
    assert [item["rule"] for item in results] == names
    assert all(item["reason"] and item["error"] and not item["passed"] for item in results)
