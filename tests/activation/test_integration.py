"""Application integration is proven by traffic."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.activation.deploying import judge
from tests.live import Live, Place, champion, route, wait_folded

STEP = "application_integration"


@pytest.fixture(scope="module")
def place(near: Live) -> Place:
    return champion(near)


def integration(near: Live, place: Place) -> Any:
    found = near["aud"].get(f"/v1/decision-points/{place.point}/integration")
    (version,) = found["versions"]
    return version


def send(near: Live, place: Place, *values: Any) -> None:
    at = datetime.now(UTC).isoformat()
    events = [
        {"token": route(near, place.point, f"u{i}")["token"], "at": at, "features": {"x": x},
         "score": 0.5}
        for i, x in enumerate(values)
    ]  # fmt: skip
    near["app"].post("/v1/events", {"events": events})
    wait_folded(near, place.point)


def test_an_application_integrates_with_its_first_event(near: Live, place: Place) -> None:
    before = integration(near, place)
    assert (before["integrated"], before["routed"], before["fitting"]) == (False, 0, None)
    assert before["first_integration_seconds"] is None

    send(near, place, 1.0, 0.5, -0.5)
    first = integration(near, place)
    send(near, place, None)
    then = integration(near, place)

    assert (first["integrated"], first["routed"], first["fitting"]) == (True, 3, 1.0)
    assert 0 <= first["first_integration_seconds"] < 120
    assert then["first_integration_seconds"] == first["first_integration_seconds"]
    assert (then["routed"], then["fitting"]) == (4, 0.75)


def test_the_trace_of_a_decision_has_a_place_for_the_hand_off(near: Live, place: Place) -> None:
    decided = route(near, place.point, "traced")
    at = datetime.now(UTC).isoformat()
    near["app"].post("/v1/events", {"events": [{"token": decided["token"], "at": at, "score": 0}]})
    wait_folded(near, place.point)

    cases = near["aud"].get(f"/v1/decisions/{decided['decision_id']}")["cases"]

    assert [case["hand_off"] for case in cases] == [None] * len(cases)


def test_the_evidence_says_the_same(near: Live, place: Place) -> None:
    case = near["aud"].get(f"/v1/decision-points/{place.point}/champion")["case_id"]

    facts = judge(near, {"id": case}, STEP)["facts"]["evidence"]["traffic"]

    known = integration(near, place)
    assert {"events", "labelled", "first_hour", "through"} <= facts.keys()
    for name in ("events", "routed", "fitting", "first_integration_seconds"):
        assert facts[name] == known[name], name
