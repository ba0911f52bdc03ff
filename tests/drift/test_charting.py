"""Metrics over time, over HTTP: the buckets of what was sent."""

from typing import Any

import numpy as np
import pytest

from app.client import Problem
from app.drift.charting import MOST_POINTS, WIDTHS, width_of
from tests.live import Live, champion, make_point, wait_folded
from tests.live import telemetry as telemetry_of
from tests.system.traffic import wait_for

FIRST = np.datetime64("2026-02-01T00", "h")
HOURS = 6
ROWS = 40


@pytest.fixture(scope="module")
def place(live: Live) -> Any:
    """A champion with six hours of forty events; in the last three x is larger by two."""
    found = champion(live)
    asked = {"units": [{"unit": f"u-{number}"} for number in range(HOURS * ROWS)]}
    path = f"/v1/decision-points/{found.point}"
    decisions = live["app"].post(f"{path}/route:batch", asked)["decisions"]
    events, outcomes = [], []
    for number, one in enumerate(decisions):
        hour, row = divmod(number, ROWS)
        at = f"{FIRST + hour}:30:00Z"
        x = -1.0 + 2.0 * row / (ROWS - 1) + 2.0 * (hour >= HOURS // 2)
        events.append({"token": one["token"], "at": at, "features": {"x": x}, "score": 0.9})
        outcomes.append({"decision_id": one["decision_id"], "at": at, "label": row % 4 != 0})
    live["app"].post("/v1/events", {"events": events})
    live["app"].post("/v1/outcomes", {"outcomes": outcomes})
    wait_folded(live, found.point)
    assert telemetry_of(live, found.point)["waiting_outcomes"] == 0
    return found


def series(live: Live, place: Any, **asked: Any) -> Any:
    window = {"since": f"{FIRST}:00:00Z", "until": f"{FIRST + HOURS - 1}:59:00Z"}
    return live["aud"].get(f"/v1/decision-points/{place.point}/series", **{**window, **asked})


def points(found: Any) -> list[Any]:
    (line,) = found["lines"]
    return list(line["points"])


def test_events_are_counted_by_the_hour(live: Live, place: Any) -> None:
    found = series(live, place)

    assert (found["metric"], found["bucket_hours"]) == ("events", 1)
    (line,) = found["lines"]
    assert (line["model"], line["version"], line["arm"]) == (place.model, 1, "champion")
    assert [one["n"] for one in line["points"]] == [ROWS] * HOURS
    assert line["points"][0]["at"] == f"{FIRST}:00:00Z"


def test_a_metric_of_outcomes_has_its_error(live: Live, place: Any) -> None:
    (early, late) = points(series(live, place, metric="accuracy", bucket_hours=3))

    for one in (early, late):
        assert (one["value"], one["n"]) == (0.75, 3 * ROWS)
        assert one["standard_error"] == pytest.approx((0.75 * 0.25 / (3 * ROWS)) ** 0.5)


def test_a_variable_is_charted_by_itself_and_against_its_baseline(live: Live, place: Any) -> None:
    mean = points(series(live, place, metric="mean:x", bucket_hours=3))
    moved = points(series(live, place, metric="js:x", bucket_hours=3))

    assert [one["value"] for one in mean] == pytest.approx([0.0, 2.0])
    assert moved[1]["value"] > moved[0]["value"]


def test_what_no_chart_can_show_is_refused_with_what_can(live: Live, place: Any) -> None:
    for asked, code in (
        ({"metric": "no-such"}, "bad_chart"),
        ({"metric": "psi"}, "bad_chart"),
        ({"metric": "psi:nosuch"}, "no_such_variable"),
        ({"metric": "mean:nosuch"}, "no_such_variable"),
        ({"arm": "nosucharm"}, "no_such_arm"),
        ({"model": place.model}, "bad_chart"),
        ({"version": 1}, "bad_chart"),
        ({"since": "2026-03-01T00:00:00Z"}, "bad_chart"),
        ({"since": "1990-01-01T00:00:00Z", "bucket_hours": 1}, "too_much_to_chart"),
    ):
        with pytest.raises(Problem) as problem:
            series(live, place, **asked)
        assert problem.value.document["code"] == code
        assert problem.value.document["mend"]


def test_a_misspelled_name_is_answered_with_those_that_there_are(live: Live, place: Any) -> None:
    for asked, known in (
        ({"metric": "mean:X"}, {"x", "score"}),
        ({"arm": "Champion"}, {"champion", "fallback", "rehearsal"}),
    ):
        with pytest.raises(Problem) as problem:
            series(live, place, **asked)
        said = problem.value.document
        assert (said["status"], set(said["known"])) == (422, known)
        assert all(name in said["detail"] for name in known)
        assert place.point in said["mend"]


def test_what_is_known_and_has_had_no_traffic_is_not_misspelled(live: Live, place: Any) -> None:
    point = make_point(live)
    path = f"/v1/decision-points/{point}/series"
    for asked in (
        {"metric": "mean:x"},
        {"metric": "psi:score"},
        {"arm": "champion"},
        {"arm": "rehearsal"},
        {"arm": "holdout"},
    ):
        assert live["aud"].get(path, **asked)["lines"] == []
    version = {"model": place.model, "version": place.version}
    assert live["aud"].get(path, metric="js:x", **version)["lines"] == []


@pytest.mark.parametrize("hours", [1, 24, 24 * 31, 24 * 366, 24 * 366 * 30])
def test_buckets_are_chosen_for_the_time(hours: int) -> None:
    width = width_of(hours)

    assert width in WIDTHS
    assert hours <= width * MOST_POINTS or width == WIDTHS[-1]


def test_windows_by_count_end_at_whole_hours_and_hold_every_event_once(live: Live) -> None:
    found = champion(live)
    path = f"/v1/decision-points/{found.point}"
    live["ops"].put(f"{path}/monitor", {"window_events": 100, "min_rows": 100})
    asked = {"units": [{"unit": f"c-{number}"} for number in range(HOURS * ROWS)]}
    decisions = live["app"].post(f"{path}/route:batch", asked)["decisions"]
    events = [
        {
            "token": one["token"],
            "at": f"{FIRST + number // ROWS}:10:00Z",
            "features": {"x": 0.1},
            "score": 0.5,
        }
        for number, one in enumerate(decisions)
    ]
    live["app"].post("/v1/events", {"events": events})
    wait_folded(live, found.point)

    version = f"/v1/models/{found.model}/versions/{found.version}/drift"
    wait_for(lambda: live["aud"].get(version)["items"], "a window")
    windows = live["aud"].get(version)["items"]

    # Forty events an hour: a hundred have come by the end of the third; the last hour is open.
    assert [(one["n"], one["until"]) for one in windows] == [(120, f"{FIRST + 3}:00:00Z")]
