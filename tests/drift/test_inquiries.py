"""Calibration, fairness and feedback of what was sent, over HTTP."""

from typing import Any

import numpy as np
import pytest

from app.client import Problem
from tests.live import Live, champion, wait_folded

FIRST = np.datetime64("2026-03-01T00", "h")
HOURS, ROWS = 12, 100


@pytest.fixture(scope="module")
def place(live: Live) -> Any:
    """A champion that is 0.1 too sure, and from hour to hour selects fewer of one group."""
    found = champion(live)
    rng = np.random.default_rng(1)
    asked = {"units": [{"unit": f"u-{number}"} for number in range(1000)]}
    path = f"/v1/decision-points/{found.point}"
    decisions = [
        one for _ in range(2) for one in live["app"].post(f"{path}/route:batch", asked)["decisions"]
    ][: HOURS * ROWS]
    events, outcomes = [], []
    for number, one in enumerate(decisions):
        hour, row = divmod(number, ROWS)
        at = f"{FIRST + hour}:30:00Z"
        group = "f" if row % 2 else "m"
        selected = rng.random() < (0.6 if group == "m" else 0.6 - 0.05 * hour)
        score = rng.uniform(0.5, 0.8) if selected else rng.uniform(0.2, 0.5)
        label = int(rng.random() < score - 0.1)
        events.append(
            {"token": one["token"], "at": at, "features": {"x": 0.0, "sex": group}, "score": score}
        )
        outcomes.append({"decision_id": one["decision_id"], "at": at, "label": label})
    for part in range(0, len(events), 1000):
        live["app"].post("/v1/events", {"events": events[part : part + 1000]})
        live["app"].post("/v1/outcomes", {"outcomes": outcomes[part : part + 1000]})
    wait_folded(live, found.point)
    return found


def ask(live: Live, place: Any, what: str, **more: Any) -> Any:
    path = f"/v1/models/{place.model}/versions/{place.version}/{what}"
    return live["aud"].get(path, decision_point=place.point, **more)


def test_scores_that_are_too_sure_are_told_bin_by_bin(live: Live, place: Any) -> None:
    found = ask(live, place, "calibration")

    assert found["rows"] == HOURS * ROWS
    assert found["verdict"] == "miscalibrated"
    assert found["residual"] == pytest.approx(-0.1, abs=0.04)
    assert sum(one["n"] for one in found["places"]) == HOURS * ROWS
    assert found["recalibration"]["intercept"] < 0


def test_groups_that_are_treated_ever_less_alike_are_told(live: Live, place: Any) -> None:
    found = ask(live, place, "fairness", variable="sex", windows=12)

    assert set(found["rates"]) == {"f", "m"}
    (gap,) = found["gaps"]["selection_rate"]
    assert (gap["group"], gap["best"]) == ("f", "m")
    assert gap["low"] > 0
    (ratio,) = found["four_fifths"]
    assert ratio["parity"] == "broken"
    selection = [one for one in found["reinforcements"] if one["rate"] == "selection_rate"]
    assert [one["reinforcing"] for one in selection] == [True]
    assert selection[0]["trend"]["windows"] == 12


def test_a_variable_that_nothing_knows_is_no_all_clear(live: Live, place: Any) -> None:
    with pytest.raises(Problem) as problem:
        ask(live, place, "fairness", variable="no-such")

    said = problem.value.document
    assert (said["status"], said["code"]) == (422, "no_such_variable")
    assert "x" in said["known"]
    assert "score" not in said["known"]


def test_a_variable_that_is_known_and_no_event_carries_is_one_group(live: Live, place: Any) -> None:
    since, until = "2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z"
    found = ask(live, place, "fairness", variable="x", since=since, until=until)

    assert (found["rates"], found["four_fifths"]) == ({}, [])


def test_without_exploration_there_is_nothing_to_compare(live: Live, place: Any) -> None:
    found = ask(live, place, "feedback", windows=12)

    assert found["contrast"] is None
    assert found["entropy"]["windows"] == 12


@pytest.mark.parametrize("what", ["calibration", "fairness", "feedback"])
def test_a_time_at_the_edge_of_the_calendar_is_refused(live: Live, place: Any, what: str) -> None:
    more = {"variable": "sex"} if what == "fairness" else {}
    with pytest.raises(Problem) as problem:
        ask(live, place, what, until="0001-01-02T00:00:00Z", **more)

    assert problem.value.document["status"] == 422


def test_a_time_that_ends_before_it_begins_is_refused(live: Live, place: Any) -> None:
    with pytest.raises(Problem) as problem:
        ask(live, place, "calibration", since="2026-03-02T00:00:00Z", until="2026-03-01T00:00:00Z")

    assert problem.value.document["code"] == "not_in_order"


def test_who_waits_for_what_is_folded_is_told_that_and_no_figures(live: Live, place: Any) -> None:
    path = f"/v1/decision-points/{place.point}/telemetry"
    whole, brief = live["aud"].get(path), live["aud"].get(path, figures="false")

    figures = ("labelled", "accuracy", "auc", "rewarded", "mean_reward")
    none = dict.fromkeys(figures)
    assert [{**one, **none} for one in whole["series"]] == brief["series"]
    assert max(one["labelled"] for one in whole["series"]) == HOURS * ROWS
    assert {**whole, "series": []} == {**brief, "series": []}
