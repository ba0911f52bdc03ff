import json
import re
from pathlib import Path
from typing import Any

import pytest

from app.gates.packs import TIERS, tier_policy
from app.gates.policy import ruling_of
from app.gates.steps import CaseKind
from app.gates.supplies import MEASURED, judging, reads, supplies

DOCUMENT = json.loads((Path(__file__).parents[2] / "openapi/openapi.json").read_text())
RELEASE = {"kind": "release", "model": "m", "number": 3, "decision_point": "p"}


def shape(path: str) -> str:
    return re.sub(r"\{[a-z_]+\}", "{}", path)


KNOWN = {
    f"{method.upper()} {shape(path)}" for path, ways in DOCUMENT["paths"].items() for method in ways
}


def call_in(text: str) -> list[str]:
    found = re.findall(r"(GET|POST|PUT|PATCH|DELETE) (/v1/[^ ,]+)", text)
    return [f"{method} {path}" for method, path in found]


def known(call: str) -> bool:
    """Whether the API has a call, its step a literal or a parameter."""
    generic = re.sub(r"/steps/[a-z_]+", "/steps/{step}", call)
    return bool({shape(call), shape(generic)} & KNOWN)


@pytest.mark.parametrize(("kind", "evidence"), sorted(MEASURED))
def test_every_call_that_is_named_exists(kind: CaseKind, evidence: str) -> None:
    calls = [call for text in MEASURED[kind, evidence] for call in call_in(text)]
    assert calls
    assert [call for call in calls if not known(call)] == []


@pytest.mark.parametrize("tier", TIERS)
def test_every_rule_of_a_starting_policy_names_a_call_that_exists(tier: str) -> None:
    for name, gate in tier_policy(tier).gates.items():
        kind, step = name.split(".")
        for rule in gate.rules:
            calls = supplies({"kind": kind}, step, rule.when)
            assert calls, (name, rule.name)
            assert all(known(found) for text in calls for found in call_in(text)), calls


def test_a_failed_rule_says_which_call_supplies_it_and_a_passed_one_does_not() -> None:
    gate = tier_policy("high").gates["release.integration_testing"]
    facts: dict[str, Any] = {
        "case": RELEASE, "evidence": {}, "approvals": [], "rejections": [], "point": {},
        "version": {},
    }  # fmt: skip
    for result in ruling_of(gate, "integration_testing", facts).results:
        assert bool(result["mend"]) is not result["passed"]
    told = ruling_of(gate, "integration_testing", facts).results[0]["mend"]
    assert "POST /v1/cases/{case_id}/steps/integration_testing/evidence" in told


def test_what_is_known_of_the_case_is_put_into_the_call() -> None:
    assert supplies(RELEASE, "model_release", "version.baseline_rows > 100") == [
        "PUT /v1/models/m/versions/3/baseline"
    ]


def test_what_is_to_be_submitted_is_named_field_by_field() -> None:
    case = {"kind": "validation", "id": "7"}
    when = "evidence.conceptual.a == true && evidence.conceptual.b > 1 && evidence.data.c == true"
    path = "POST /v1/cases/7/steps/technical_validation/evidence with "
    assert supplies(case, "technical_validation", when) == [
        path + '{"kind": "conceptual", "payload": {"a": …, "b": …}}',
        path + '{"kind": "data", "payload": {"c": …}}',
    ]


def test_what_the_facts_name_is_put_into_the_call() -> None:
    version = {
        "tasks_open": [{"model": "m0", "version": 2, "task": "acquire_data"}],
        "lighter_members": ["m2@1 (low)"],
    }  # fmt: skip
    (told,) = supplies(RELEASE, "model_release", "size(version.tasks_open) == 0", version)
    assert told.startswith("POST /v1/models/m0/versions/2/hand-back/tasks/acquire_data:done,")
    (told,) = supplies(RELEASE, "model_release", "size(version.lighter_members) == 0", version)
    assert "PUT /v1/models/m2/risk-tier" in told


@pytest.mark.parametrize(
    ("when", "read"),
    [("evidence.data.a > 1", True), ("evidence['data']['a'] > 1", True),
     ("has(evidence.data)", True), ("evidence.database.a", False), ("version.data", False)],
)  # fmt: skip
def test_what_a_rule_reads_is_known_however_it_is_written(when: str, *, read: bool) -> None:
    assert reads(when, "data") is read


def test_who_rejected_is_asked_to_take_it_back() -> None:
    back, anew = supplies(RELEASE, "kpi_validation", "size(rejections) == 0")
    assert back.startswith("POST /v1/approvals/")
    assert "left" in anew


def test_a_rule_about_nothing_is_judged_again() -> None:
    assert supplies(RELEASE, "kpi_validation", "1 == 1") == [judging("release", "kpi_validation")]
