"""Differences of policies and verdicts judged again, as pure functions."""

import copy
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.gates.diff import Kind, differences
from app.gates.faults import checked
from app.gates.packs import PACKS
from app.gates.policy import GATES, MAX_RULES, Policy
from app.gates.replay import Past, replay, rule_on, unlike
from app.gates.rules import BadPolicy
from app.gates.verdicts import Replayed, _judge
from tests.gates.dockets import in_order

POLICIES = st.sampled_from([pack.body for pack in PACKS.values()])
GATE = st.sampled_from(sorted(GATES))


def past(policy: Policy, gate: str) -> Past:
    """A verdict as the policy gave it over facts in order."""
    blank = Past(
        id=uuid.uuid4(), case_id=uuid.uuid4(), gate=gate, step=gate.partition(".")[2],
        at=datetime.now(UTC), passed=False, path=None, facts=in_order(gate), results=[],
    )  # fmt: skip
    ruling = rule_on(policy, blank)
    return Past(**{
        **{name: getattr(blank, name) for name in ("id", "case_id", "gate", "step", "at", "facts")},
        "passed": ruling.passed, "path": ruling.path, "results": ruling.results,
    })  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(POLICIES, POLICIES)
def test_a_difference_applied_to_the_one_gives_the_other(one: Policy, two: Policy) -> None:
    body = one.model_dump(mode="json")
    for change in differences(one, two):
        gate = body["gates"][change.gate]
        if change.rule is None:
            assert change.after is not None
            gate.update({k: v for k, v in change.after.items() if k != "order"})
            continue
        gate["rules"] = [rule for rule in gate["rules"] if rule["name"] != change.rule]
        if change.after is not None:
            gate["rules"].append(change.after)
    for name, gate in two.model_dump(mode="json")["gates"].items():
        found = body["gates"][name]
        assert sorted(found["rules"], key=str) == sorted(gate["rules"], key=str)
        assert found["required"] == gate["required"]
    assert (differences(one, two) == []) == (one == two)


def test_another_order_of_rules_is_a_difference() -> None:
    one = PACKS["sr-11-7"].body
    body = one.model_dump(mode="json")
    body["gates"]["release.kpi_validation"]["rules"].reverse()

    (change,) = differences(one, Policy.model_validate(body))

    assert (change.rule, change.change) == (None, Kind.CHANGED)
    assert change.before is not None
    assert change.after is not None
    assert change.after["order"] == change.before["order"][::-1]


@settings(max_examples=60, deadline=None)
@given(POLICIES, GATE, st.data())
def test_a_replay_names_a_verdict_exactly_if_a_rule_falls(
    policy: Policy, gate: str, data: st.DataObject
) -> None:
    body = copy.deepcopy(policy.model_dump(mode="json"))
    rules = body["gates"][gate]["rules"]
    fallen = data.draw(st.sets(st.sampled_from([rule["name"] for rule in rules])))
    for rule in rules:
        if rule["name"] in fallen:
            rule["when"] = "false"
    before = past(policy, gate)

    (change,) = replay(Policy.model_validate(body), [before])

    assert (change is None) == (not fallen)
    if change is not None:
        assert {item.rule for item in change.rules} == fallen
        blocks = any(r["severity"] == "block" for r in rules if r["name"] in fallen)
        assert change.ruling.passed is not blocks


@settings(max_examples=60, deadline=None)
@given(POLICIES, GATE)
def test_a_verdict_is_like_itself_and_an_older_one_without_owners_too(
    policy: Policy, gate: str
) -> None:
    now = past(policy, gate)
    ruling = rule_on(policy, now)
    assert unlike(now, ruling) == []

    bare = policy.model_dump(mode="json")
    for rule in bare["gates"][gate]["rules"]:
        del rule["owner"], rule["cites"]
    old = past(Policy.model_validate(bare), gate)
    for result in old.results:
        del result["owner"], result["cites"]
    assert unlike(old, rule_on(Policy.model_validate(bare), old)) == []


def test_a_replay_stops_when_its_time_is_over_and_says_so() -> None:
    policy = PACKS["sr-11-7"].body
    many = [past(policy, "release.model_release") for _ in range(20)]
    found = Replayed("low", 1, "sha256:0")

    _judge(policy, many, found, time.monotonic() - 1)

    assert found.examined == 1
    assert not found.complete


def broken(**rule: Any) -> dict[str, Any]:
    body = PACKS["sr-11-7"].body.model_dump(mode="json")
    body["gates"]["release.model_release"]["rules"][0].update(rule)
    return body


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({}, "gates: Field required"),
        ({"gates": {}}, "missing gates"),
        ({"gates": 7}, "gates"),
        ({"gates": {"release.model_release": {"rules": [7]}}}, "should be"),
        ({"gates": {"release.model_release": {"rules": {"a": 1}}}}, "rules"),
        (broken(cites=[""]), "cites"),
        (broken(cites="SR 11-7"), "cites"),
        (broken(owner=""), "owner"),
        (broken(name="benchmark_for_monitoring"), "have this name"),
        (broken(when="evidence.x ? 1 : evidence.y"), "not bool"),
        (broken(when="evidence.x.matches(evidence.y)"), "literal"),
    ],
)
def test_a_body_that_is_no_policy_says_what_is_wrong(body: Any, problem: str) -> None:
    with pytest.raises(BadPolicy) as refusal:
        checked(body)

    assert any(problem in fault["problem"] for fault in refusal.value.extra["errors"])


def test_a_policy_of_too_many_rules_is_not_even_compiled() -> None:
    body = PACKS["tier-low"].body.model_dump(mode="json")
    for name, gate in body["gates"].items():
        gate["rules"] = [
            {"name": f"r{i}", "when": f"{'true && ' * 400}'{name}{i}' != ''", "reason": "Many."}
            for i in range(50)
        ]
    started = time.process_time()

    with pytest.raises(BadPolicy) as refusal:
        checked(body)

    assert time.process_time() - started < 0.2
    assert refusal.value.extra["errors"][0]["problem"] == f"more than {MAX_RULES} rules"
