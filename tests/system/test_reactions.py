"""What a firing alert leads to, as a point's guardrails say: one clear way, an action each."""

from typing import Any

import pytest

from app.client import Problem
from app.drift.alert_rules import AlertKind
from tests.drift.watched import fire
from tests.live import (
    Live,
    Place,
    champion,
    enthroned,
    lift_control,
    roll_back,
    route,
    unique,
    wait_folded,
)
from tests.routing.plans import Cast, cast
from tests.system.test_guardrails import looked_at
from tests.system.traffic import wait_for

SOON = 30


def guarded(live: Live, point: str, when: str, action: str) -> str:
    name = unique("rail")
    path = f"/v1/decision-points/{point}/guardrails/{name}"
    live["ops"].put(path, {"when": when, "action": action, "min_events": 0})
    return name


def breaches(live: Live, point: str, name: str) -> list[Any]:
    found = live["aud"].pages(f"/v1/decision-points/{point}/breaches")
    return [one for one in found if one["guardrail"] == name]


def breached(live: Live, point: str, name: str, count: int = 1) -> Any:
    """Wait until a guardrail has spoken so often; return what it said last."""
    wait_for(lambda: len(breaches(live, point, name)) >= count, "the breach", SOON)
    return breaches(live, point, name)[0]


def fire_business(live: Live, place: Place, key: str) -> None:
    """Have an alert fire about a KPI that is agreed on: of any other it would end at once."""
    lift_control(live, "kpi")
    live["ops"].put(
        f"/v1/decision-points/{place.point}/kpis/{key}",
        {"name": key, "formula": "pushed", "threshold": 10.0, "tolerance": 1, "unit": "EUR"},
    )
    fire(live, place, key, AlertKind.BUSINESS)


def version(live: Live, place: Place) -> Any:
    return live["aud"].get(f"/v1/models/{place.model}/versions/{place.version}")


def validations(live: Live, place: Place) -> list[Any]:
    found = live["aud"].pages("/v1/cases", model=place.model, version=place.version)
    return [one for one in found if one["kind"] == "validation" and one["closed_at"] is None]


def test_a_kpi_that_is_missed_has_the_version_validated_and_the_validator_sends_it_back(
    live: Live,
) -> None:
    """From what a business system reports to the hand-back, with nobody past his rights."""
    lift_control(live, "kpi")
    place = champion(live)
    path = f"/v1/decision-points/{place.point}"
    live["ops"].put(
        f"{path}/monitor",
        {"window_hours": 1, "step_hours": 1, "min_rows": 50, "hits": 1, "of": 1},
    )
    live["ops"].put(
        f"{path}/kpis/margin",
        {"name": "Margin", "formula": "pushed", "threshold": 10.0, "tolerance": 1, "unit": "EUR"},
    )
    name = guarded(
        live, place.point,
        "alerts.open.exists(a, a.kind == 'business' && a.subject == 'margin')", "validate",
    )  # fmt: skip
    decisions = [route(live, place.point, f"u{number}") for number in range(40)]
    events = [
        {"token": one["token"], "at": f"2026-04-01T0{number // 20}:10:00Z",
         "features": {"x": 0.1}, "score": 0.5}
        for number, one in enumerate(decisions)
    ]  # fmt: skip
    live["app"].post("/v1/events", {"events": events})
    wait_folded(live, place.point)
    reviews = f"/v1/models/{place.model}/versions/{place.version}/reviews"
    # What a business system reports afterwards, no review of the server's own has seen.
    wait_for(lambda: live["aud"].get(reviews)["items"], "the review of the window")
    assert validations(live, place) == []
    values = [{"kpi": "margin", "at": "2026-04-01T00:30:00Z", "value": 8.5}]
    live["app"].post(f"{path}/kpi-values", {"values": values})

    found = breached(live, place.point, name)

    (case,) = validations(live, place)
    assert (found["taken"], found["why"]) == ("validation_opened", f"Validation {case['id']}.")
    assert found["facts"]["alerts"]["business"] == 1
    assert case["details"]["because"].startswith(f"Guardrail {name}: alerts.open.exists")
    opened = [
        one["data"] for one in live["aud"].pages("/v1/events-feed", limit=200)
        if one["data"].get("case_id") == case["id"] and one["type"] == "gates.case.opened"
    ]  # fmt: skip
    assert [one["name"] for one in opened[0]["addressees"]] == ["val"]

    fire_business(live, place, "margin-2")
    fire(live, place, "margin", AlertKind.DATA)  # it is of another kind
    assert len(breaches(live, place.point, name)) == 1

    body = {"path": "business_drift", "reason": "the margin is gone"}
    fail = f"/v1/validations/{case['id']}:fail"
    for who in ("dev", "ops"):
        with pytest.raises(Problem) as refused:
            live[who].post(fail, body)
        assert refused.value.status == 403
    live["val"].post(fail, body)
    gone = version(live, place)
    assert (gone["stage"], gone["returned_to"]) == ("returned", "business_understanding")


def test_while_a_validation_is_open_there_is_no_other(live: Live) -> None:
    place = champion(live)
    name = guarded(live, place.point, "alerts.data > 0", "validate")
    fire(live, place)
    (first,) = [breached(live, place.point, name)]
    fire(live, place)

    again = breached(live, place.point, name, 2)

    (case,) = validations(live, place)
    assert (first["taken"], first["occasion"]) == ("validation_opened", 1)
    assert (again["taken"], again["occasion"]) == ("alerted", 2)
    assert again["why"] == f"Validation {case['id']} is open already."
    assert again["facts"]["alerts"]["data"] == 1, "only of what has fired since"


@pytest.fixture(scope="module")
def at(live: Live) -> Cast:
    return cast(live)


def test_whom_a_ramp_brings_in_is_held_and_the_champion_is_not(live: Live, at: Cast) -> None:
    strategy = {"kind": "ramp", "arm": at.arm("challenger", "new"), "steps": [40, 50]}
    at.put({"segments": [{"name": "all", "strategy": strategy}]})
    name = guarded(live, at.champion.point, "alerts.firing > 0", "hold")
    fire(live, at.champion)
    fire_business(live, at.challenger, "margin")

    found = breached(live, at.champion.point, name)

    ramp = live["aud"].get(f"{at.path}/ramps/all")
    assert (found["taken"], found["why"]) == ("held", "The ramp of all.")
    assert found["version_id"] == version(live, at.challenger)["id"]
    assert (ramp["status"], ramp["percent"]) == ("held", 40)
    assert ramp["why"] == [f"Guardrail {name}: alerts.firing > 0"]
    with pytest.raises(Problem):
        live["dev"].post(f"{at.path}/ramps/all:resume", {"reason": "mine"})
    live["ops"].post(f"{at.path}/ramps/all:resume", {"reason": "looked at it"})
    looked_at(live, found["version_id"], role="challenger")
    assert live["aud"].get(f"{at.path}/ramps/all")["status"] == "running"


def test_a_champion_is_rolled_back(live: Live, at: Cast) -> None:
    point = at.champion.point
    name = guarded(live, point, "alerts.open.exists(a, a.subject == 'gone')", "rollback")
    fire_business(live, at.champion, "gone")

    found = breached(live, point, name)

    former = version(live, at.former)["id"]
    assert (found["taken"], found["restored_id"]) == ("rolled_back", former)
    assert enthroned(live, point) == former

    # Who brings him back has accepted that alert, and no other, whoever asks for it.
    mine = version(live, at.champion)["id"]
    guarded(live, point, "alerts.business > 0", "rollback")
    assert roll_back(live, point, undo=True, accept_cause=True)["version_id"] == mine
    looked_at(live, mine)
    fire(live, at.champion, "gone", AlertKind.DATA)
    again = breached(live, point, name, 2)
    assert (again["taken"], again["restored_id"]) == ("rolled_back", former)


def test_a_point_is_stopped_or_somebody_is_told(live: Live) -> None:
    place = champion(live)
    told = guarded(live, place.point, "alerts.warning >= 1", "alert")
    stop = guarded(live, place.point, "alerts.warning >= 2", "stop")
    fire(live, place)
    assert breached(live, place.point, told)["taken"] == "alerted"
    assert breaches(live, place.point, stop) == []
    fire(live, place)

    found = breached(live, place.point, stop)

    assert found["taken"] == "stopped"
    resume = f"/v1/decision-points/{place.point}:resume"
    live["ops"].post(resume, {"reason": "a test", "accept_cause": True})
    # Who had the point go on has looked at the alert.
    looked_at(live, found["version_id"])
    assert len(breaches(live, place.point, stop)) == 1


def test_a_condition_may_ask_for_alerts_by_every_word(live: Live) -> None:
    place = champion(live)
    words = ("firing", "acknowledged", "notice", "warning", "critical", *AlertKind)
    name = guarded(live, place.point, " + ".join(f"alerts.{word}" for word in words) + " == 3",
                   "alert")  # fmt: skip
    subject = unique("x")
    # What is silenced is not told, and counts all the same.
    live["ops"].post("/v1/silences", {"subject": subject, "reason": "r", "hours": 1})
    fire(live, place, subject)
    assert breached(live, place.point, name)["facts"]["alerts"]["open"][0]["subject"] == subject
    with pytest.raises(Problem) as refused:
        guarded(live, place.point, "alarms.firing > 0", "alert")
    assert refused.value.code == "bad_condition"
