"""Steps are judged in any order that policy allows, again, and though nobody asks for them."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.client import Problem
from tests.live import (
    Live,
    lift_control,
    make_model,
    make_point,
    make_version,
    validate,
)
from tests.tenants import another

FIRST, THEN = "endpoint_identification", "kpi_validation"


@pytest.fixture(scope="module")
def bank(live: Live) -> Iterator[Live]:
    """A tenant of our own, whose policy puts one step before another."""
    with another(live) as found:
        lift_control(found, "policy")
        policy = found.admin.get("/v1/policies/low")
        policy["body"]["gates"][f"release.{THEN}"]["after"] = [FIRST, "instantiation_validation"]
        body = {"body": policy["body"]}
        found.admin.put("/v1/policies/low", body, revision=policy["revision"])
        yield found


@pytest.fixture(scope="module")
def case(bank: Live) -> Any:
    model = make_model(bank)
    number = make_version(bank, model)
    validate(bank, model, number)
    return bank["dev"].post(
        "/v1/releases", {"model": model, "version": number, "decision_point": make_point(bank)}
    )


def judge(bank: Live, case: Any, step: str) -> Any:
    return bank["ops"].post(f"/v1/releases/{case['id']}/steps/{step}:judge")


def test_a_step_waits_for_those_that_policy_puts_first(bank: Live, case: Any) -> None:
    with pytest.raises(Problem) as refusal:
        judge(bank, case, THEN)
    assert (refusal.value.status, refusal.value.code) == (409, "out_of_turn")
    # The tier does not ask for the other one, so that it does not wait for it.
    assert refusal.value.document["open"] == [FIRST]
    (lacking,) = refusal.value.document["missing"][FIRST]
    assert f"steps/{FIRST}:judge" in lacking["mend"][0]
    assert not bank["aud"].get(f"/v1/cases/{case['id']}")["evidence"]

    assert judge(bank, case, FIRST)["passed"]
    verdict = judge(bank, case, THEN)

    assert verdict["path"] is None  # nothing was rehearsed: nothing is concluded


def test_a_step_is_judged_again_and_the_history_is_kept(bank: Live, case: Any) -> None:
    before = judge(bank, case, "model_release")
    after = judge(bank, case, "model_release")

    kept = bank["aud"].get(f"/v1/cases/{case['id']}")["verdicts"]
    assert {before["id"], after["id"]} <= {verdict["id"] for verdict in kept}


def test_a_step_that_the_tier_does_not_ask_for_may_be_judged_and_closes_nothing(
    bank: Live, case: Any
) -> None:
    assert not judge(bank, case, "integration_testing")["passed"]

    steps = {step["step"]: step for step in bank["aud"].get(f"/v1/cases/{case['id']}")["steps"]}
    assert steps["integration_testing"]["required"] is False
    assert steps["integration_testing"]["missing"] == []
