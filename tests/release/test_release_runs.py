"""One call for a release, over HTTP: how far it comes, and what it waits for."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.client import Client, Problem
from tests.live import (
    Live,
    Place,
    lift_control,
    make_model,
    make_point,
    make_version,
    rehearse,
    unique,
    validate,
)
from tests.release import endpoints
from tests.release.endpoints import served
from tests.release.test_operations_live import WAIT, asked, done, patient
from tests.tenants import another


def candidate(live: Live) -> Place:
    """A version that is validated, with traffic in the perimeter."""
    model = make_model(live)
    place = Place(model, patient(live), make_version(live, model))
    validate(live, model, place.version)
    rehearse(live, place)
    return place


def run(client: Client, place: Place, *, wait: int = WAIT, **more: Any) -> Any:
    body = {
        "model": place.model, "version": place.version, "decision_points": [place.point], **more,
    }  # fmt: skip
    return client.post(f"/v1/releases:run?wait={wait}", body)


@pytest.fixture(scope="module")
def both(near: Live) -> Iterator[Client]:
    """Who may open releases and judge them: CI, on behalf of a person who developed nothing."""
    _, key = near.newcomer("developer", "operator")
    with Client(near.url, key) as found:
        yield found


def test_one_call_releases_a_version(near: Live, both: Client) -> None:
    place = candidate(near)
    with served(endpoints.good) as endpoint:
        found = run(both, place, risk_tier="low", integration=asked(endpoint.url))

    assert found["state"] == "succeeded", found
    (point,) = found["result"]["points"]
    told = {step: said["outcome"] for step, said in point["steps"].items()}
    assert told == {
        "model_release": "passed", "endpoint_identification": "passed",
        "parameter_testing": "passed", "integration_testing": "passed",
        "instantiation_validation": "skipped", "kpi_validation": "passed",
    }  # fmt: skip
    version = near["dev"].get(f"/v1/models/{place.model}/versions/{place.version}")
    assert version["stage"] == "released"
    docket = near["dev"].get(f"/v1/cases/{point['case_id']}")
    me = both.get("/v1/me")["id"]
    assert {docket["requester_id"], *(v["facts"] and me for v in docket["verdicts"])} == {me}
    # Once more: there is nothing left to do, and nothing is done twice.
    again = run(both, place)
    assert again["state"] == "succeeded"
    assert len(near["dev"].get(f"/v1/cases/{point['case_id']}")["verdicts"]) == 5


def test_one_call_waits_for_what_is_missing_and_goes_on_there(near: Live, both: Client) -> None:
    model = make_model(near)
    place = Place(model, make_point(near), make_version(near, model))
    unvalidated = run(both, place)
    assert unvalidated["state"] == "waiting"
    assert unvalidated["result"]["missing"][0]["call"].startswith("POST /v1/validations")
    validate(near, model, place.version)

    waiting = run(both, place)
    rehearse(near, place)
    released = run(both, place)

    assert waiting["state"] == "waiting"
    missing = {item["rule"]: item for item in waiting["result"]["missing"]}
    assert missing["volume"]["call"].startswith("POST /v1/events")
    assert "operator" in missing["volume"]["who"]
    steps = waiting["result"]["points"][0]["steps"]
    assert steps["kpi_validation"]["outcome"] == "not judged"
    assert released["state"] == "succeeded", released


def test_one_call_does_no_more_than_its_caller_may(near: Live) -> None:
    place = candidate(near)

    unopened = run(near["ops"], place)
    unjudged = run(near["dev"], place)
    released = run(near["ops"], place)

    (lacking,) = unopened["result"]["missing"]
    assert (unopened["state"], lacking["call"]) == ("waiting", "POST /v1/releases")
    assert lacking["who"] == ["developer"]
    assert unjudged["state"] == "waiting"
    assert {tuple(item["who"]) for item in unjudged["result"]["missing"]} == {
        ("validator", "operator")
    }
    assert released["state"] == "succeeded", released


def test_who_may_not_judge_is_told_so_though_no_step_is_required(near: Live) -> None:
    with another(near) as bank:
        lift_control(bank, "policy")
        policy = bank.admin.get("/v1/policies/low")
        gates = {
            name: {**gate, "required": gate["required"] and not name.startswith("release.")}
            for name, gate in policy["body"]["gates"].items()
        }
        body = {"body": {**policy["body"], "gates": gates}}
        bank.admin.put("/v1/policies/low", body, revision=policy["revision"])
        place = candidate(bank)

        found = run(bank["dev"], place)

    assert found["state"] == "waiting"
    [missing] = found["result"]["missing"]
    assert missing["call"].endswith("/steps/model_release:judge")
    assert "operator" in missing["who"]


def test_a_drift_ends_the_call_with_its_way_out(near: Live, both: Client) -> None:
    model = make_model(near)
    place = Place(model, make_point(near), make_version(near, model))
    validate(near, model, place.version)
    rehearse(near, place, shift=3.0)

    found = run(both, place)

    assert (found["state"], found["problem"]["code"]) == ("failed", "way_out")
    (point,) = found["result"]["points"]
    assert (point["path"], point["returned_to"]) == ("data_drift", "data_acquisition")
    assert point["hand_back"].endswith("/hand-back")


def test_one_call_is_refused_what_cannot_be(near: Live, both: Client) -> None:
    place = candidate(near)
    path = "/v1/releases:run"
    body = {"model": place.model, "version": place.version, "decision_points": [place.point]}
    for more, code in (
        ({"risk_tier": "high"}, "tier_differs"),
        ({"kpis": ["margin"]}, "kpis_not_agreed"),
        ({"validator": "ops"}, "unfit_validator"),
    ):
        with pytest.raises(Problem, match=code):
            both.post(path, {**body, **more})
    for more in ({"decision_points": [unique("none")]}, {"validator": unique("nobody")}):
        with pytest.raises(Problem, match="not_found"):
            both.post(path, {**body, **more})
    assert both.post(path, {**body, "validator": "val"})["about"]["validator"] == "val"


def test_a_call_with_its_idempotency_key_begins_one_operation(near: Live, both: Client) -> None:
    place = candidate(near)
    body = {"model": place.model, "version": place.version, "decision_points": [place.point]}

    first = both.post("/v1/releases:run?wait=20", body, key="k-1")
    again = both.post("/v1/releases:run?wait=20", body, key="k-1")

    assert first["state"] == "succeeded"
    assert again["id"] == first["id"]


def test_a_revoked_key_takes_its_work_along(near: Live) -> None:
    person, key = near.newcomer("developer", "operator")
    place = candidate(near)
    issued = next(near.admin.pages(f"/v1/principals/{person}/keys"))
    with Client(near.url, key) as client, served(endpoints.slow) as endpoint:
        body = asked(endpoint.url, load={"requests": 60, "concurrency": 1})
        operation = run(client, place, wait=0, integration=body)
        until = time.monotonic() + 15
        while not endpoint.asked and time.monotonic() < until:
            time.sleep(0.05)
        near.admin.post(f"/v1/keys/{issued['id']}:revoke")
        found = done(near["dev"], operation)

    assert (found["state"], found["problem"]["code"]) == ("failed", "key_ended")
    assert near["dev"].get(f"/v1/models/{place.model}/versions/1")["stage"] == "candidate"
