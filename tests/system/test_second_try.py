"""Asking again does not undo what was said: a rejection, a drift that was found, a graver tier."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.client import Client, Problem
from tests.live import (
    Live,
    Place,
    approve,
    champion,
    crown,
    evidence,
    make_model,
    make_point,
    make_version,
    open_activation,
    rehearse,
    release,
    released,
    validate,
)

STEP = "technical_validation"


def opened(live: Live, place: Place) -> Any:
    return live["dev"].post("/v1/validations", {"model": place.model, "version": place.version})


def unvalidated(live: Live) -> Place:
    model = make_model(live)
    return Place(model, make_point(live), make_version(live, model))


def refused(act: Any) -> dict[str, Any]:
    with pytest.raises(Problem) as refusal:
        act()
    return {"status": refusal.value.status, **refusal.value.document}


def fail(live: Live, place: Place) -> None:
    case = opened(live, place)
    body = {"path": "mathematical_drift", "reason": "it is no longer right"}
    live["val"].post(f"/v1/validations/{case['id']}:fail", body)


def test_a_rejection_stands_in_the_next_case_until_it_is_taken_back(live: Live) -> None:
    place = unvalidated(live)
    _, key = live.newcomer("validator")
    first = opened(live, place)
    body = {"approved": False, "reason": "it leaks the target"}
    with Client(live.url, key) as doubter:
        doubter.post(f"/v1/cases/{first['id']}/steps/{STEP}/approvals", body)
        live["dev"].post(f"/v1/cases/{first['id']}:withdraw")
        second = opened(live, place)
        evidence(
            live["val"], second, STEP, "technical", {"holdout_rows": 200, "reproducible": True}
        )
        approve(live["val"], second, STEP)
        judge = f"/v1/validations/{second['id']}/steps/{STEP}:judge"

        before = live["val"].post(judge)
        (kept,) = [
            one
            for one in live["aud"].get(f"/v1/cases/{second['id']}")["approvals"]
            if not one["approved"]
        ]
        doubter.post(f"/v1/approvals/{kept['id']}:withdraw", {"reason": "mended"})
        after = live["val"].post(judge)

    assert not before["passed"]
    assert (kept["reason"], kept["case_id"]) == ("it leaks the target", second["id"])
    assert after["passed"]
    entries = live["aud"].pages("/v1/audit", stream=f"version:{second['version_id']}")
    assert "approval.carried_over" in [one["action"] for one in entries]


def test_a_rejection_nobody_could_take_back_any_more_ends_with_its_case(live: Live) -> None:
    place = unvalidated(live)
    leaver, key = live.newcomer("validator")
    first = opened(live, place)
    body = {"approved": False, "reason": "it leaks the target"}
    with Client(live.url, key) as doubter:
        doubter.post(f"/v1/cases/{first['id']}/steps/{STEP}/approvals", body)
    live["dev"].post(f"/v1/cases/{first['id']}:withdraw")
    live.admin.post(f"/v1/principals/{leaver}:disable")
    second = opened(live, place)

    assert live["aud"].get(f"/v1/cases/{second['id']}")["approvals"] == []
    told = live["aud"].get(f"/v1/cases/{first['id']}")["approvals"]
    assert [one["reason"] for one in told] == ["it leaks the target"]


def test_who_has_left_holds_no_case_open(live: Live) -> None:
    place = unvalidated(live)
    opener, key = live.newcomer("developer")
    with Client(live.url, key) as leaving:
        case = leaving.post("/v1/validations", {"model": place.model, "version": place.version})
    path = f"/v1/cases/{case['id']}:withdraw"
    told = refused(lambda: live["dev"].post(path))
    live.admin.post(f"/v1/principals/{opener}:disable")

    assert told["code"] == "not_the_requester"
    assert live["dev"].post(path)["result"] == "withdrawn"
    assert opened(live, place)["id"] != case["id"]


def test_a_version_sent_back_while_another_of_its_cases_is_judged_is_no_deadlock(
    live: Live,
) -> None:
    place = released(live)
    activation = open_activation(live, place)
    step = f"/v1/cases/{activation['id']}/steps/management_and_governance"
    judge = f"/v1/activations/{activation['id']}/steps/management_and_governance:judge"
    fail_path = f"/v1/validations/{opened(live, place)['id']}:fail"
    calls: list[tuple[str, str, Any]] = [
        *[("ops", judge, None)] * 3,
        ("com", f"{step}/approvals", {"approved": False, "reason": "not this one"}),
        ("val", fail_path, {"path": "mathematical_drift", "reason": "it is no longer right"}),
        *[("ops", judge, None)] * 3,
    ]

    def status(call: tuple[str, str, Any]) -> int:
        who, path, body = call
        try:
            live[who].post(path, body)
        except Problem as problem:
            return problem.status
        return 200

    with ThreadPoolExecutor(len(calls)) as pool:
        found = list(pool.map(status, calls))

    assert set(found) <= {200, 409}, found
    assert found[4] == 200


def test_what_was_sent_back_is_released_anew_wherever_it_was(live: Live) -> None:
    place = released(live)
    elsewhere = Place(place.model, make_point(live), place.version)
    fail(live, place)
    validate(live, place.model, place.version)
    rehearse(live, elsewhere)
    assert release(live, elsewhere)["passed"]

    told = refused(lambda: open_activation(live, place))
    crown(live, elsewhere)

    assert told["code"] == "not_released"
    assert f"model={place.model}" in told["mend"]


def test_a_champion_that_was_sent_back_is_due_and_named_until_it_is_released_again(
    live: Live,
) -> None:
    place = champion(live)
    subject = f"{place.model}@1 at {place.point}"

    def stands() -> tuple[str, list[str]]:
        listed = live["aud"].pages("/v1/revalidations")
        (item,) = [one for one in listed if one["decision_point"] == place.point]
        found = live["aud"].get("/v1/adherence")["findings"]
        said = [one["detail"] for one in found if one["kind"] == "returned_in_seat"
                and one["subject"] == subject]  # fmt: skip
        return item["state"], said

    fine = stands()
    fail(live, place)
    returned = stands()
    validate(live, place.model, place.version)
    valid = stands()

    assert fine == ("fine", [])
    assert returned[0] == valid[0] == "overdue"
    assert returned[1] == ["returned to analysis and still deciding"]
    assert "not released" in valid[1][0]


def test_a_lighter_model_does_not_take_a_graver_ones_place(live: Live) -> None:
    high = champion(live)
    revision = live["dev"].get(f"/v1/models/{high.model}")["revision"]
    body = {"risk_tier": "high", "reason": "it decides on much"}
    live["com"].put(f"/v1/models/{high.model}/risk-tier", body, revision=revision)
    light = released(live, point=high.point)

    told = refused(lambda: open_activation(live, light))

    assert (told["status"], told["code"]) == (409, "lighter_tier")
    assert f"PUT /v1/models/{light.model}/risk-tier" in told["mend"]


@pytest.mark.parametrize("other", ["retire", "approve"])
def test_two_who_decide_on_one_version_at_once_both_get_an_answer(live: Live, other: str) -> None:
    place = unvalidated(live)
    case = opened(live, place)
    path = {
        "retire": f"/v1/models/{place.model}/versions/{place.version}:retire",
        "approve": f"/v1/cases/{case['id']}/steps/{STEP}/approvals",
    }[other]
    who = {"retire": "ops", "approve": "com"}[other]
    asked = [
        ("val", f"/v1/validations/{case['id']}:fail", {"path": "data_drift", "reason": "x"}),
        (who, path, {"reason": "y"} if other == "retire" else {"approved": False, "reason": "y"}),
    ]

    def call(one: tuple[str, str, dict[str, Any]]) -> int:
        name, where, body = one
        with Client(live.url, live.keys[name]) as client:
            try:
                client.post(where, body)
            except Problem as problem:
                return problem.status
        return 200

    with ThreadPoolExecutor(2) as both:
        found = list(both.map(call, asked))

    assert set(found) <= {200, 409}
    assert 200 in found
