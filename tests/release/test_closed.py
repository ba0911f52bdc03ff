"""What comes too late for a case says how it ended, and which call opens the next."""

from typing import Any

import pytest

from tests.activation.deploying import refused
from tests.live import (
    Live,
    Place,
    evidence,
    make_model,
    make_point,
    make_version,
    rehearse,
    release,
    released,
    validate,
)


@pytest.fixture(scope="module")
def place(near: Live) -> Place:
    return released(near)


def case_of(live: Live, place: Place) -> Any:
    named = {"model": place.model, "version": place.version}
    cases = live["aud"].get("/v1/cases", **named)["items"]
    return next(case for case in cases if case["kind"] == "release")


def test_an_optional_step_after_the_release_names_the_next_release(
    near: Live, place: Place
) -> None:
    case = case_of(near, place)
    step = f"/v1/releases/{case['id']}/steps/instantiation_validation:judge"

    denied = refused(lambda: near["ops"].post(step), "case_closed")

    assert (denied["case_id"], denied["result"]) == (case["id"], "released")
    assert denied["closed_at"][:19] in denied["detail"].replace("Z", "")
    named = f'"model": "{place.model}", "version": 1, "decision_point": "{place.point}"'
    assert denied["mend"] == f"POST /v1/releases {{{named}}} opens the next one."
    sent = {"model": place.model, "version": 1, "decision_point": place.point}
    again = near["dev"].post("/v1/releases", sent)
    assert near["ops"].post(step.replace(case["id"], again["id"]))["step"]


def test_after_a_way_out_it_is_another_version_that_follows(near: Live) -> None:
    model = make_model(near)
    place = Place(model, make_point(near), make_version(near, model))
    validate(near, model, 1)
    rehearse(near, place, shift=3.0)
    assert release(near, place)["path"] == "data_drift"
    case = case_of(near, place)

    late = refused(
        lambda: evidence(near["val"], case, "parameter_testing", "parameters", {}), "case_closed"
    )

    assert late["result"] == "data_drift"
    assert late["mend"] == (
        f"GET /v1/models/{model}/versions/1/hand-back says what to mend;"
        f" then POST /v1/models/{model}/versions."
    )
