"""How a point is watched: what would leave something unwatched, or mean nothing, is refused."""

from dataclasses import asdict

import pytest

from app.client import Problem
from app.drift.routes import MonitorOut
from app.drift.rules import Thresholds
from tests.live import Live, make_point


def test_a_monitor_that_leaves_something_unwatched_is_refused(live: Live) -> None:
    path = f"/v1/decision-points/{make_point(live)}/monitor"
    refusals: tuple[tuple[dict[str, float], str], ...] = (
        ({"window_hours": 1, "step_hours": 48}, "a step is at most a window"),
        ({"window_hours": 6, "step_hours": 24}, "step_hours is 24 and window_hours 6"),
        ({"js": 0.6}, "js is at most severe_js"),
        ({"js": 0.2, "severe_js": 0.1}, "js is at most severe_js"),
        ({"window_events": 1000, "window_hours": 6, "step_hours": 6}, "of hours or of events"),
        ({"window_events": 1000, "step_hours": 48}, "of hours or of events"),
    )
    for body, said in refusals:
        with pytest.raises(Problem) as refused:
            live["ops"].put(path, body)
        assert refused.value.status == 422
        assert said in str(refused.value.document), body
    taken: tuple[dict[str, float], ...] = (
        {"window_hours": 6, "step_hours": 6, "js": 0.5},
        {"window_hours": 48, "step_hours": 1},
        {"window_events": 1000},
        {"window_hours": 6},
    )
    for revision, body in enumerate(taken):
        live["ops"].put(path, body, **({"revision": revision} if revision else {}))
    # What is read can be sent back.
    shown = live["ops"].get(path)
    assert shown["step_hours"] == 6, "no further than a window"
    own = {name: shown[name] for name in shown if name not in {"decision_point", "revision"}}
    assert live["ops"].put(path, own, revision=shown["revision"])["revision"] == 5


def test_what_was_set_under_other_rules_is_shown() -> None:
    old = asdict(Thresholds(window_hours=1, step_hours=48, js=0.9))

    shown = MonitorOut(decision_point="p", revision=1, **{**old, "tell": []})

    assert (shown.step_hours, shown.js) == (48, 0.9)
