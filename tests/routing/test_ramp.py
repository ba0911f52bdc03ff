"""A ramp over HTTP: brought in, rolled back by what it earns, by a guardrail, by hand."""

from typing import Any

import pytest

from app.client import Problem
from tests.live import Live
from tests.routing.plans import Cast, cast
from tests.routing.trials import scored
from tests.system.traffic import wait_for


@pytest.fixture(scope="module")
def at(live: Live) -> Cast:
    return cast(live)


def ramp(at: Cast, **more: Any) -> dict[str, Any]:
    strategy = {"kind": "ramp", "arm": at.arm("challenger", "new"), "steps": [40, 50], **more}
    return {"segments": [{"name": "all", "strategy": strategy}]}


def standing(at: Cast) -> Any:
    return at.live["aud"].get(f"{at.path}/ramps/all")


def status(at: Cast) -> str:
    return str(standing(at)["status"])


def by_hand(at: Cast, who: str, verb: str) -> Any:
    return at.live[who].post(f"{at.path}/ramps/all:{verb}", {"reason": "a test"})


def refused(at: Cast, who: str, verb: str) -> str:
    with pytest.raises(Problem) as caught:
        by_hand(at, who, verb)
    return str(caught.value.code)


def test_a_ramp_waits_at_its_step_and_brings_in_who_it_says(at: Cast) -> None:
    at.put(ramp(at))
    arms = [at.route(f"unit-{number}")["arm"] for number in range(300)]
    found = standing(at)

    assert set(arms) == {"new", "control"}
    assert 80 < arms.count("new") < 160
    assert (found["status"], found["step"], found["percent"]) == ("running", 1, 40)
    assert found["why"] == [
        "Its step has lasted 0 of 1440 minutes.", "Fewer than 100 rewards of new and control.",
    ]  # fmt: skip


def test_who_is_brought_in_stays_in_when_the_share_grows(at: Cast) -> None:
    units = [f"unit-{number}" for number in range(200)]
    before = {unit for unit in units if at.route(unit)["arm"] == "new"}
    at.put(ramp(at, steps=[45, 50]))
    after = {unit for unit in units if at.route(unit)["arm"] == "new"}

    assert before < after


def test_what_earns_less_is_rolled_back_by_itself(at: Cast) -> None:
    scored(at, {"new": 1, "control": 5}, range(900))
    wait_for(lambda: status(at) == "rolled_back", "the rollback", 30)
    wait_for(lambda: at.route("unit-1")["arm"] == "control", "the table", 5)
    found = standing(at)
    (newest,) = at.live["aud"].get(f"{at.path}/rounds", limit=1)["items"]

    assert found["percent"] == 0
    assert "earns -0." in found["why"][0]
    assert {at.route(f"unit-{number}")["arm"] for number in range(100)} == {"control"}
    assert newest["weights"] == {"new": 0, "control": 10_000}
    seen = newest["segments"]["all"]["seen"]
    assert seen["arm"]["n"] + seen["control"]["n"] == 900
    assert seen["arm"]["total"] / seen["arm"]["n"] == pytest.approx(0.1, abs=0.01)


def test_an_edit_of_something_else_brings_nobody_back(at: Cast) -> None:
    shadow = {"name": "watcher", "model": at.former.model, "version": at.former.version}
    at.put({**ramp(at, steps=[45, 50]), "shadows": [shadow]})

    assert status(at) == "rolled_back"
    assert at.route("unit-1")["arm"] == "control"


def test_nor_does_one_by_which_other_units_come_to_it(at: Cast) -> None:
    north = {"name": "north", "when": {"==": [{"var": "region"}, "qld"]}}
    segments = ramp(at, steps=[45, 50], tolerance=0.1)["segments"]
    at.put({"segments": [north, *segments]})
    moved = standing(at)
    at.put(ramp(at, steps=[45, 50]))

    assert (moved["status"], moved["percent"]) == ("rolled_back", 0)
    assert status(at) == "rolled_back"
    assert at.route("unit-1")["arm"] == "control"


def test_to_resume_is_for_others_than_who_made_it(at: Cast) -> None:
    assert refused(at, "app", "resume") == "permission_denied"
    assert refused(at, "dev", "resume") in {"permission_denied", "decision_denied", "own_version"}

    found = by_hand(at, "ops", "resume")

    assert (found["status"], found["step"], found["percent"]) == ("running", 1, 45)
    assert found["rewarded"] == {"new": 0, "control": 0}, "what was before counts no more"


def test_what_is_held_stays_until_somebody_resumes_it(at: Cast) -> None:
    assert refused(at, "ops", "resume") == "ramp_status"
    held = by_hand(at, "ops", "hold")
    again = refused(at, "ops", "hold")
    back = by_hand(at, "ops", "resume")

    assert (held["status"], held["percent"], held["why"]) == ("held", 45, ["By hand."])
    assert again == "ramp_status"
    assert (back["status"], back["percent"]) == ("running", 45)
    with pytest.raises(Problem) as caught:
        at.live["ops"].post(f"{at.path}/ramps/none:hold", {"reason": "a test"})
    assert caught.value.status == 404


def test_a_guardrail_rolls_back_who_is_brought_in(at: Cast) -> None:
    # The champion has more: it holds for him.
    rail = {"when": "traffic.events < 450", "min_events": 1, "action": "rollback"}
    path = f"{at.path}/guardrails/little-traffic"
    at.live["ops"].put(path, rail)
    wait_for(lambda: status(at) == "rolled_back", "the guardrail", 40)
    (breach, *_) = [
        one
        for one in at.live["aud"].get(f"{at.path}/breaches")["items"]
        if one["why"] == "The ramp of all."
    ]

    assert breach["taken"] == "rolled_back"
    assert standing(at)["why"] == ["Guardrail little-traffic: traffic.events < 450"]
