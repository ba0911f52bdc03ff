"""Monitors look at segments: what changed in one of them, and how alike they are treated."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sqlalchemy import delete

from app.client import Problem
from app.drift.rules import Thresholds
from app.drift.tables import Window
from tests.drift.watched import Watched
from tests.live import Live, champion, make_point, wait_folded
from tests.system.traffic import wait_for

FIRST = np.datetime64("2026-05-01", "D")
DAYS, ROWS = 10, 120
TURN = 5
"""From this day on one state is another, and women are refused."""
LIMITS = Thresholds(segments=True)


@pytest.fixture(scope="module")
def place(live: Live) -> Any:
    found = champion(live, point=make_point(live, segments=["state", "sex"]))
    monitor = {
        "min_rows": 50, "hits": 2, "of": 3,
        "segments": True, "fairness": ["sex"],
    }  # fmt: skip
    live["ops"].put(f"/v1/decision-points/{found.point}/monitor", monitor)
    send(
        live, found, DAYS,
        lambda day, state: 2.0 if day >= TURN and state == "NSW" else 0.0,
        lambda day, sex: 0.2 if day >= TURN and sex == "f" else 0.8,
    )  # fmt: skip
    return found


def send(
    live: Live,
    found: Any,
    days: int,
    shift: Callable[[int, str], float],
    chance: Callable[[int, str], float],
) -> None:
    """Send days of events of two states and sexes: where a state's x lies, and who is answered."""
    rng = np.random.default_rng(3)
    asked = {"units": [{"unit": f"w-{number}"} for number in range(1000)]}
    path = f"/v1/decision-points/{found.point}/route:batch"
    decisions = [one for _ in range(2) for one in live["app"].post(path, asked)["decisions"]]
    events, outcomes = [], []
    for number, one in enumerate(decisions[: days * ROWS]):
        day, row = divmod(number, ROWS)
        state, sex = "NSW" if row % 2 else "VIC", "f" if row % 4 < 2 else "m"
        x = rng.normal() + shift(day, state)
        at = f"{FIRST + day}T{row % 24:02d}:30:00Z"
        events.append(
            {
                "token": one["token"], "at": at, "score": 1 / (1 + np.exp(-x)),
                "prediction": bool(rng.random() < chance(day, sex)),
                "features": {"x": x, "state": state, "sex": sex},
            }
        )  # fmt: skip
        outcomes.append({"decision_id": one["decision_id"], "at": at, "label": 1})
    for part in range(0, len(events), 600):
        live["app"].post("/v1/events", {"events": events[part : part + 600]})
        live["app"].post("/v1/outcomes", {"outcomes": outcomes[part : part + 600]})
    wait_folded(live, found.point)


def alerts(live: Live, place: Any) -> dict[tuple[str, str], Any]:
    found = live["aud"].get("/v1/alerts", decision_point=place.point, limit=100)["items"]
    return {(one["kind"], one["subject"]): one for one in found}


def test_what_changed_in_one_segment_and_unequal_treatment_raise_alerts(
    live: Live, place: Any
) -> None:
    wanted = {("data", "x [state=NSW]"), ("prediction", "score [state=NSW]"), ("fairness", "sex")}
    wait_for(lambda: wanted <= alerts(live, place).keys(), "alerts of segments")

    found = alerts(live, place)
    # Half of the other state are women, who are refused there too: only its answers are worse.
    other = {kind for kind, subject in found if subject.endswith("[state=VIC]")}
    assert other <= {"mathematical"}
    assert ("mathematical", "accuracy [sex=f]") in found
    assert ("mathematical", "accuracy [sex=m]") not in found
    shift = live["aud"].get(f"/v1/alerts/{found['data', 'x [state=NSW]']['id']}")
    assert [one["variable"]["name"] for one in shift["evidence"][:2]] == ["x", "x"]
    assert shift["evidence"][0]["n"] == ROWS // 2
    unfair = live["aud"].get(f"/v1/alerts/{found['fairness', 'sex']['id']}")["evidence"][0]
    assert unfair["metric"]["beyond"]
    assert unfair["metric"]["certain"] > 0.1


def test_windows_say_of_each_segment_what_it_is_beside_its_time_before(
    live: Live, place: Any
) -> None:
    path = f"/v1/models/{place.model}/versions/{place.version}/drift"
    wait_for(lambda: len(live["aud"].get(path)["items"]) == DAYS - 1, "the windows that closed")
    windows = live["aud"].get(path)["items"][::-1]

    names = {one["segment"] for one in windows[0]["segments"]}
    assert names == {"state=NSW", "state=VIC", "sex=f", "sex=m"}
    first = [window["segments"][0] for window in windows]
    assert [one["before"] + ROWS // 2 * one["left_out"] for one in first] == [
        ROWS // 2 * min(day, 7) for day in range(DAYS - 1)
    ]
    assert [one["left_out"] for one in first][: TURN + 1] == [0] * (TURN + 1)
    assert all(one["n"] == ROWS // 2 for window in windows for one in window["segments"])
    fair = [[row["beyond"] for row in window["fairness"]] for window in windows]
    assert fair == [[False, False]] * TURN + [[True, True]] * (DAYS - 1 - TURN)


def test_only_declared_features_are_watched_for_fairness(live: Live, place: Any) -> None:
    path = f"/v1/decision-points/{place.point}/monitor"
    revision = live["ops"].get(path)["revision"]
    with pytest.raises(Problem) as problem:
        live["ops"].put(path, {"fairness": ["gender"]}, revision=revision)

    assert problem.value.document["code"] == "no_such_segment"


def test_the_defaults_ask_for_no_segments(live: Live) -> None:
    found = live["ops"].get(f"/v1/decision-points/{make_point(live)}/monitor")

    assert (found["segments"], found["fairness"], found["fairness_tolerance"]) == (False, [], 0.1)


def test_whoever_has_the_monitor_look_at_no_segments_ends_their_alerts(
    live: Live, place: Any
) -> None:
    """Of others nothing changes; looked at again, they are judged by what comes from then on."""
    wait_for(lambda: ("fairness", "sex") in alerts(live, place), "unequal treatment")
    path = f"/v1/decision-points/{place.point}/monitor"
    before = live["ops"].get(path)
    standing = {key for key, one in alerts(live, place).items() if one["state"] != "resolved"}
    asked = {"min_rows": 50, "hits": 2, "of": 3, "fairness": ["sex"]}
    second = live["ops"].put(path, asked, revision=before["revision"])

    found = alerts(live, place)
    gone = {key for key in standing if key[1].endswith("]")}
    assert ("data", "x [state=NSW]") in gone
    assert {key for key in standing if found[key]["ending"] == "lapsed"} == gone
    over = found["data", "x [state=NSW]"]
    assert (over["state"], over["resolved_by"]) == ("resolved", None)
    assert over["reason"] == ("The monitor looks at no segments any more, state=NSW among them.")
    stream = f"version:{over['version_id']}"
    said = [
        one for one in live["aud"].pages("/v1/audit", stream=stream, action="alert.resolved")
        if one["details"]["alert"] == over["id"]
    ]  # fmt: skip
    assert [(one["actor_name"], one["details"]["ending"]) for one in said] == [("ops", "lapsed")]
    live["ops"].put(path, {**asked, "segments": True}, revision=second["revision"])
    assert alerts(live, place)["data", "x [state=NSW]"]["state"] == "resolved"
    assert live["aud"].post("/v1/audit:verify")["faults"] == []


def said(segment: str, *drifting: str, n: int = 600, before: int = 600) -> dict[str, Any]:
    variables = [
        {"name": name, "drifts": True, "severe": False, "shifts": True} for name in drifting
    ]
    return {
        "segment": segment, "n": n, "labelled": 0, "accuracy": None, "before": before,
        "variables": variables, "metrics": [],
    }  # fmt: skip


@pytest.mark.anyio
async def test_an_alert_of_a_segment_recovers_by_its_own_windows(here: Watched) -> None:
    """Windows that say too little of it leave it as it is; the whole's say nothing of it."""
    drifts, quiet = said("state=NSW", "x"), said("state=NSW")

    for _ in range(2):
        await here.window(limits=LIMITS, segments=[drifts])
    (fired,) = await here.episodes("x [state=NSW]")
    for _ in range(3):
        await here.window("x", limits=LIMITS, segments=[said("state=NSW", n=10)])
        await here.window("x", limits=LIMITS)
    (still,) = await here.episodes("x [state=NSW]")
    for _ in range(5):
        await here.window("x", limits=LIMITS, segments=[quiet])
    (over,) = await here.episodes("x [state=NSW]")
    (whole,) = await here.episodes("x")

    assert (fired.state, still.state, over.state) == ("firing", "firing", "resolved")
    assert whole.state == "firing"


@pytest.mark.anyio
async def test_the_whole_says_nothing_of_a_segment_that_has_been_silent_for_long(
    here: Watched,
) -> None:
    for _ in range(2):
        await here.window(limits=LIMITS, segments=[said("state=NSW", "x")])
    async with here.session() as session:
        await session.execute(delete(Window).where(Window.tenant_id == here.tenant))
    for _ in range(5):
        await here.window(limits=LIMITS)
    (episode,) = await here.episodes("x [state=NSW]")

    assert episode.state == "firing"


def unequal(*, beyond: bool) -> dict[str, Any]:
    return {
        "name": "sex", "rate": "selection_rate", "group": "f", "rows": 300, "value": 0.3,
        "rest": 0.6, "gap": -0.3, "low": -0.4, "high": -0.2, "certain": 0.2, "beyond": beyond,
    }  # fmt: skip


@pytest.mark.anyio
async def test_unequal_treatment_is_over_when_windows_say_so_and_not_when_they_say_nothing(
    here: Watched,
) -> None:
    """Nothing is said of too few rows."""
    limits = Thresholds(fairness=("sex",))
    for _ in range(2):
        await here.window(limits=limits, fairness=[unequal(beyond=True)])
    for _ in range(5):
        await here.window(limits=limits)
    (still,) = await here.episodes("sex")
    for _ in range(5):
        await here.window(limits=limits, fairness=[unequal(beyond=False)])
    (over,) = await here.episodes("sex")

    assert (still.state, still.severity, over.state) == ("firing", "warning", "resolved")
