"""A version is sent back with what was found; a procedure leads to the next one."""

from typing import Any

import pytest

from app.client import Client, Problem
from tests.live import (
    Live,
    Place,
    evidence,
    make_model,
    make_point,
    make_version,
    rehearse,
    release,
    validate,
)

EXPECTED = {"metric": "accuracy", "by": 0.01}


@pytest.fixture(scope="module")
def returned(live: Live) -> Place:
    """A version whose release ended in data drift."""
    model = make_model(live)
    place = Place(model, make_point(live), make_version(live, model))
    validate(live, model, place.version)
    rehearse(live, place, shift=6.0)
    assert release(live, place)["path"] == "data_drift"
    return place


def path_of(place: Place) -> str:
    return f"/v1/models/{place.model}/versions/{place.version}/hand-back"


def procedure(client: Client, place: Place, **more: Any) -> Any:
    body = {
        "kind": "retrain", "model": place.model, "version": place.version,
        "cause": "request", "reason": "a test", "expected": EXPECTED, **more,
    }  # fmt: skip
    return client.post("/v1/procedures", body)


def test_a_returned_version_says_what_to_do_next(live: Live, returned: Place) -> None:
    given = live["dev"].get(path_of(returned))

    assert (given["path"], given["returned_to"]) == ("data_drift", "data_acquisition")
    assert given["decision_point"] == returned.point
    assert given["found"]["drift"]["drifting"] == ["x"]
    assert [task["key"] for task in given["tasks"]] == [
        "acquire_data", "variable.1", "open_procedure", "publish_version",
    ]  # fmt: skip
    verdicts = live["aud"].get(f"/v1/cases/{given['case_id']}")["verdicts"]
    assert given["verdict_id"] in {verdict["id"] for verdict in verdicts}


def test_the_owner_and_the_developer_are_told(live: Live, returned: Place) -> None:
    told = [
        event["data"]
        for event in live["aud"].pages("/v1/events-feed")
        if event["type"] == "release.version.returned" and event["data"]["model"] == returned.model
    ]
    # He is both, and is told once.
    people = [[person["name"] for person in one["addressees"]] for one in told]
    assert people == [["dev"]]
    assert [one["path"] for one in told] == ["data_drift"]


def test_a_task_is_ticked_off_once_and_by_name(live: Live, returned: Place) -> None:
    path = f"{path_of(returned)}/tasks/acquire_data:done"
    before = live["dev"].get(path_of(returned))["open"]

    after = live["dev"].post(path, {"note": "three million rows since May"})

    done = next(task for task in after["tasks"] if task["key"] == "acquire_data")
    assert (done["done_by"], done["note"]) == ("dev", "three million rows since May")
    assert after["open"] == before - 1
    with pytest.raises(Problem) as refusal:
        live["dev"].post(path, {"note": "again"})
    assert (refusal.value.status, refusal.value.code) == (409, "task_done")
    with pytest.raises(Problem) as missing:
        live["dev"].post(f"{path_of(returned)}/tasks/nothing:done", {"note": "?"})
    assert missing.value.status == 404


def test_a_version_that_was_never_sent_back_has_no_hand_back(live: Live) -> None:
    model = make_model(live)
    number = make_version(live, model)
    with pytest.raises(Problem) as refusal:
        live["dev"].get(f"/v1/models/{model}/versions/{number}/hand-back")
    assert refusal.value.status == 404


def test_a_retraining_is_followed_from_its_cause_to_its_effect(live: Live, returned: Place) -> None:
    given = live["dev"].get(path_of(returned))
    opened = procedure(live["dev"], returned, cause="hand_back", cause_id=given["id"])
    path = f"/v1/procedures/{opened['id']}"
    assert opened["observed"]["before"] is not None
    assert (opened["observed"]["after"], opened["observed"]["met"]) == (None, None)

    with pytest.raises(Problem) as early:
        live["val"].post(f"{path}:conclude")
    assert early.value.code == "nothing_linked"
    with pytest.raises(Problem) as old:
        live["dev"].post(f"{path}:link", {"model": returned.model, "version": returned.version})
    assert old.value.code == "not_a_result"

    follower = Place(returned.model, returned.point, make_version(live, returned.model))
    live["dev"].post(f"{path}:link", {"model": follower.model, "version": follower.version})
    # What a call has done nobody need tick off as well.
    told = {task["key"]: task for task in live["dev"].get(path_of(returned))["tasks"]}
    assert told["open_procedure"]["note"] == f"Procedure {opened['id']}."
    assert told["publish_version"]["note"] == f"{follower.model}@{follower.version}."
    validate(live, follower.model, follower.version)
    rehearse(live, follower, seed=5)
    assert release(live, follower)["passed"]
    with pytest.raises(Problem) as own:
        live["dev"].post(f"{path}:conclude")
    assert own.value.code == "own_result"

    concluded = live["val"].post(f"{path}:conclude")

    assert (concluded["result"], concluded["result_version"]) == ("concluded", follower.version)
    found = concluded["observed"]
    assert found["change"] == pytest.approx(found["after"] - found["before"])
    assert found["met"] == (found["change"] >= EXPECTED["by"])
    with pytest.raises(Problem) as over:
        live["val"].post(f"{path}:abandon", {"reason": "too late"})
    assert over.value.code == "procedure_closed"


def test_what_came_of_a_retraining_is_the_same_model_s(live: Live, returned: Place) -> None:
    retrained = procedure(live["dev"], returned)
    rebuilt = procedure(live["dev"], returned, kind="rebuild")
    other = make_model(live)
    another = {"model": other, "version": make_version(live, other)}

    with pytest.raises(Problem) as refusal:
        live["dev"].post(f"/v1/procedures/{retrained['id']}:link", another)
    linked = live["dev"].post(f"/v1/procedures/{rebuilt['id']}:link", another)

    assert (refusal.value.status, refusal.value.code) == (409, "not_a_result")
    assert "nothing was retrained" in refusal.value.document["detail"]
    assert (linked["result_model"], linked["result_version"]) == (other, another["version"])


def test_an_effect_that_nobody_measured_is_concluded_with_the_reason_why(
    live: Live, returned: Place
) -> None:
    path = f"/v1/procedures/{procedure(live['ops'], returned)['id']}"
    result = {"model": returned.model, "version": make_version(live, returned.model)}
    live["dev"].post(f"{path}:link", result)

    with pytest.raises(Problem) as refusal:
        live["val"].post(f"{path}:conclude")
    concluded = live["val"].post(f"{path}:conclude", {"unmeasured_because": "no traffic is left"})

    assert (refusal.value.status, refusal.value.code) == (409, "effect_unmeasured")
    assert "accuracy was not measured after the change" in refusal.value.document["detail"]
    assert (concluded["result"], concluded["observed"]["met"]) == ("concluded", None)
    entries = live["aud"].pages(f"/v1/models/{returned.model}/versions/{returned.version}/history")
    (said,) = [
        one
        for one in entries
        if one["action"] == "procedure.concluded" and one["details"]["procedure"] in path
    ]
    assert said["personal"]["reason"] == "no traffic is left"


def test_procedures_are_listed_and_given_up(live: Live, returned: Place) -> None:
    first = procedure(live["ops"], returned, kind="rebuild")
    second = procedure(live["ops"], returned, kind="retune")
    live["ops"].post(f"/v1/procedures/{first['id']}:abandon", {"reason": "not now"})

    under_way = live["aud"].pages("/v1/procedures", model=returned.model, open="true")
    listed = live["aud"].pages("/v1/procedures", model=returned.model, version=returned.version)
    kinds = {item["id"]: item["kind"] for item in listed}

    assert first["id"] not in {item["id"] for item in under_way}
    assert kinds[second["id"]] == "retune"
    with pytest.raises(Problem) as refusal:
        live["aud"].get("/v1/procedures", version=1)
    assert refusal.value.status == 422


def test_a_cause_must_be_about_the_version(live: Live, returned: Place) -> None:
    given = live["dev"].get(path_of(returned))
    other = Place(returned.model, returned.point, make_version(live, returned.model))
    for wrong, status in (
        ({"cause": "hand_back", "cause_id": given["id"]}, 404),
        ({"cause": "hand_back"}, 422),
        ({"cause": "request", "cause_id": given["id"]}, 422),
    ):
        with pytest.raises(Problem) as refusal:
            procedure(live["dev"], other, **wrong)
        assert refusal.value.status == status


def test_an_open_step_says_what_it_lacks_and_who_supplies_it(live: Live) -> None:
    model = make_model(live)
    number = make_version(live, model)
    case = live["dev"].post("/v1/validations", {"model": model, "version": number})
    evidence(live["val"], case, "technical_validation", "technical", {"holdout_rows": 5})
    live["val"].post(f"/v1/validations/{case['id']}/steps/technical_validation:judge")

    steps = {step["step"]: step for step in live["val"].get(f"/v1/cases/{case['id']}")["steps"]}

    missing = {item["rule"]: item["mend"] for item in steps["technical_validation"]["missing"]}
    submit = f"POST /v1/cases/{case['id']}/steps/technical_validation/evidence"
    for rule, field in (("held_out_data", "holdout_rows"), ("reproducible", "reproducible")):
        (call,) = [call for call in missing[rule] if call.startswith(submit)]
        assert call == f'{submit} with {{"kind": "technical", "payload": {{"{field}": …}}}}'
    assert any("approvals" in call for call in missing["independent_validator"])
    assert steps["business_validation"]["missing"] == []


def test_what_was_handed_back_is_worked_off_before_the_next_release(
    live: Live, returned: Place
) -> None:
    """Asked of grave models; at this tier the facts say it."""
    number = make_version(live, returned.model)
    validate(live, returned.model, number)
    point = make_point(live)
    asked = {"model": returned.model, "version": number, "decision_point": point}
    case = live["dev"].post("/v1/releases", asked)

    def left() -> list[tuple[int, str]]:
        live["ops"].post(f"/v1/releases/{case['id']}/steps/model_release:judge")
        facts = live["aud"].get(f"/v1/cases/{case['id']}")["verdicts"][-1]["facts"]
        return [(item["version"], item["task"]) for item in facts["version"]["tasks_open"]]

    waiting = live["dev"].get(path_of(returned))["tasks"]
    before = left()
    for _, task in before:
        done = f"{path_of(returned)}/tasks/{task}:done"
        live["dev"].post(done, {"note": "looked into"})

    # To publish the next version is done by its being there.
    assert before == [
        (returned.version, task["key"])
        for task in waiting
        if task["done_at"] is None and task["key"] != "publish_version"
    ]
    assert (returned.version, "variable.1") in before
    assert left() == []


def test_what_was_published_before_the_hand_back_and_what_is_forked_from_it_wait_too(
    live: Live,
) -> None:
    model, team = make_model(live), make_model(live)
    place = Place(model, make_point(live), make_version(live, model))
    early = make_version(live, model)
    validate(live, model, place.version)
    case = live["dev"].post("/v1/validations", {"model": model, "version": place.version})
    body = {"path": "mathematical_drift", "reason": "it leaks the target"}
    live["val"].post(f"/v1/validations/{case['id']}:fail", body)
    given = live["dev"].get(path_of(place))
    live["dev"].post(f"/v1/models/{model}/versions/{place.version}:fork", {"into": team})

    def left(name: str, number: int) -> set[tuple[str, int]]:
        validate(live, name, number)
        asked = {"model": name, "version": number, "decision_point": make_point(live)}
        case = live["dev"].post("/v1/releases", asked)
        live["ops"].post(f"/v1/releases/{case['id']}/steps/model_release:judge")
        facts = live["aud"].get(f"/v1/cases/{case['id']}")["verdicts"][-1]["facts"]
        return {(item["model"], item["version"]) for item in facts["version"]["tasks_open"]}

    assert left(model, early) == left(team, 1) == {(model, place.version)}
    again = make_model(live)
    live["dev"].post(f"/v1/models/{model}/versions/{early}:fork", {"into": again})
    assert left(again, 1) == {(model, place.version)}
    assert (given["said"]["by"], given["said"]["reason"]) == ("val", "it leaks the target")
