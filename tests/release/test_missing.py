"""What a release waits for, read from what its gate asks."""

from uuid import UUID

import pytest

from app.gates import QUORUM, VETO, Case, CaseKind, ReleaseStep
from app.identity import Action
from app.release.missing import in_order, lacking

STEP = "integration_testing"
CASE = Case(
    id=UUID(int=7),
    kind=CaseKind.RELEASE,
    details={"model": "m", "number": 2, "decision_point": "p"},
)
OF_STEP = f"/v1/cases/{CASE.id}/steps/{STEP}"


@pytest.mark.parametrize(
    ("rule", "when", "call", "action", "roles"),
    [
        ("r", "evidence.parameters.events >= 5", "POST /v1/events", Action.SUBMIT_EVIDENCE, ()),
        ("r", "evidence.contract.mismatches == []", "PATCH /v1/decision-points/p",
         Action.SUBMIT_EVIDENCE, ()),
        ("r", "evidence.integration.cases > 0",
         f"POST /v1/releases/{CASE.id}/integration-runs", Action.SUBMIT_EVIDENCE, ()),
        ("r", "evidence.use.fine == true", f"POST {OF_STEP}/evidence, kind `use`",
         Action.SUBMIT_EVIDENCE, ()),
        ("r", "approvals.exists(a, 'validator' in a.roles) && size(rejections) == 0",
         f"POST {OF_STEP}/approvals", Action.APPROVE_STEP, ("validator",)),
        (QUORUM, "", f"POST {OF_STEP}/approvals", Action.APPROVE_STEP, ("committee",)),
        (VETO, "", "POST /v1/approvals/", Action.APPROVE_STEP, ()),
        ("r", "version.baseline_rows >= 100", "PUT /v1/models/m/versions/2/baseline",
         Action.PUBLISH_VERSION, ()),
        ("r", "version.stage == 'candidate'", f"POST /v1/releases/{CASE.id}/steps/{STEP}:judge",
         Action.JUDGE_RELEASE, ()),
    ],
)  # fmt: skip
def test_a_rule_that_fails_names_the_call_that_helps(
    rule: str, when: str, call: str, action: Action, roles: tuple[str, ...]
) -> None:
    result = {"rule": rule, "passed": False, "severity": "block", "waiver": None,
              "reason": "Approved by 1 × committee. Missing: 1 × committee."}  # fmt: skip

    (item,) = lacking(CASE, STEP, [result], {rule: when})

    assert item.call.startswith(call)
    assert (item.action, item.roles, item.rule) == (action, roles, rule)


def test_what_holds_warns_or_is_waived_is_not_missing() -> None:
    result = {"rule": "r", "passed": False, "severity": "block", "reason": "", "waiver": None}
    fine = [{**result, "passed": True}, {**result, "severity": "warn"}, {**result, "waiver": "w"}]

    assert lacking(CASE, STEP, fine, {}) == []


def test_steps_come_in_the_framework_s_order_and_what_is_asked_for_besides() -> None:
    required = {step.value: step is ReleaseStep.KPI_VALIDATION for step in ReleaseStep}

    assert in_order(required, asked=False) == [ReleaseStep.KPI_VALIDATION]
    assert in_order(required, asked=True) == [
        ReleaseStep.INTEGRATION_TESTING, ReleaseStep.KPI_VALIDATION,
    ]  # fmt: skip
    assert in_order(dict.fromkeys(map(str, ReleaseStep), True), asked=False) == list(ReleaseStep)
