"""KPIs over time and by segment, over HTTP: of outcomes as sent, of values as reported."""

from typing import Any

import numpy as np
import pytest

from app.client import Problem
from tests.live import Live, champion, lift_control, make_point, wait_folded

FIRST = np.datetime64("2026-04-01T00", "h")
HOURS, ROWS = 4, 24
BRINGS = {"NSW": 3.0, "VIC": 1.0}
SPAN = {"since": f"{FIRST}:00:00Z", "until": f"{FIRST + HOURS}:00:00Z"}


@pytest.fixture(scope="module")
def place(live: Live) -> Any:
    """A champion whose decisions bring three in one state and one in the other, an hour later more.

    What is reported says ten of one region, twenty of another, a hundred of the champion itself.
    """
    lift_control(live, "kpi")
    found = champion(live, point=make_point(live, segments=["state"]))
    path = f"/v1/decision-points/{found.point}"
    asked = {"units": [{"unit": f"u-{number}"} for number in range(HOURS * ROWS)]}
    events, outcomes = [], []
    for number, one in enumerate(live["app"].post(f"{path}/route:batch", asked)["decisions"]):
        hour, row = divmod(number, ROWS)
        at, state = f"{FIRST + hour}:30:00Z", ("NSW", "VIC")[row % 2]
        features = {"x": 0.5, "state": state}
        events.append({"token": one["token"], "at": at, "features": features, "score": 0.5})
        brought = {"reward": BRINGS[state] + hour, "cost": 0.5}
        outcomes.append({"decision_id": one["decision_id"], "at": at, **brought})
    live["app"].post("/v1/events", {"events": events})
    live["app"].post("/v1/outcomes", {"outcomes": outcomes})
    terms = {"threshold": 2.0, "unit": "EUR"}
    for key, more in (
        ("value", {"formula": "net_value"}),
        ("margin", {"formula": "pushed", "aggregate": "sum"}),
        ("gain", {"formula": "uplift"}),
    ):
        live["ops"].put(f"{path}/kpis/{key}", {"name": key, **terms, **more})
    reported = [
        {"kpi": "margin", "at": f"{FIRST + hour}:{minute}:00Z", "value": value, "segment": segment}
        for hour in range(2)
        for minute in (10, 50)
        for segment, value in (("region=north", 10.0), ("region=south", 20.0))
    ]
    own = {"kpi": "margin", "at": f"{FIRST + 1}:10:00Z", "value": 100.0}
    reported.append({**own, "model": found.model, "version": found.version})
    live["app"].post(f"{path}/kpi-values", {"values": reported})
    wait_folded(live, found.point)
    return found


def measured(live: Live, place: Any, **asked: Any) -> Any:
    path = f"/v1/decision-points/{place.point}/kpis:measure"
    found = live["aud"].get(path, model=place.model, version=place.version, **asked)
    return {(one["key"], one["segment"]): one for one in found["measures"]}


def lines(live: Live, place: Any, metric: str, **asked: Any) -> Any:
    path = f"/v1/decision-points/{place.point}/series"
    found = live["aud"].get(path, metric=metric, **SPAN, **asked)["lines"]
    return {
        (one["version"], one["segment"]): [(p["value"], p["n"]) for p in one["points"]]
        for one in found
    }


def test_a_kpi_of_outcomes_is_drawn_hour_by_hour_and_by_segment(live: Live, place: Any) -> None:
    half = ROWS // 2

    assert lines(live, place, "kpi:value") == {(1, ""): [(1.5 + h, ROWS) for h in range(HOURS)]}
    assert lines(live, place, "kpi:value", segment="state") == {
        (1, f"state={state}"): [(brings - 0.5 + h, half) for h in range(HOURS)]
        for state, brings in BRINGS.items()
    }
    (wide,) = lines(live, place, "kpi:value", bucket_hours=HOURS).values()
    assert sum(n for _, n in wide) == HOURS * ROWS


def test_a_reported_kpi_is_drawn_as_it_was_reported(live: Live, place: Any) -> None:
    both = {(None, ""): [(60.0, 4), (60.0, 4)], (1, ""): [(100.0, 1)]}

    assert lines(live, place, "kpi:margin") == both
    own = {"model": place.model, "version": place.version}
    assert lines(live, place, "kpi:margin", **own) == {(1, ""): both[1, ""]}
    assert lines(live, place, "kpi:margin", segment="region") == {
        (None, "region=north"): [(20.0, 2), (20.0, 2)],
        (None, "region=south"): [(40.0, 2), (40.0, 2)],
    }
    assert lines(live, place, "kpi:margin", arm="champion") == {}


@pytest.mark.parametrize(
    ("metric", "said"), [("kpi:gain", "/value"), ("kpi:nosuch", "margin"), ("kpi:", "kpi:")]
)
def test_a_kpi_that_has_no_course_is_refused(
    live: Live, place: Any, metric: str, said: str
) -> None:
    with pytest.raises(Problem) as problem:
        lines(live, place, metric)

    assert problem.value.code == "bad_chart"
    assert said in problem.value.document["detail"]


def test_kpis_are_measured_of_a_time_and_of_its_segments(live: Live, place: Any) -> None:
    whole = measured(live, place, **SPAN)
    first = measured(live, place, since=SPAN["since"], until=f"{FIRST + 1}:00:00Z")
    by_state = measured(live, place, **SPAN, segment="state")
    one = measured(live, place, **SPAN, segment="state=VIC")
    by_region = measured(live, place, **SPAN, segment="region")

    assert set(whole) == {("value", ""), ("margin", ""), ("gain", "")}
    assert (whole["value", ""]["value"], first["value", ""]["value"]) == (3.0, 1.5)
    assert (whole["margin", ""]["value"], first["margin", ""]["value"]) == (100.0, 60.0)
    assert set(by_state) == {("value", "state=NSW"), ("value", "state=VIC")}
    assert by_state["value", "state=NSW"]["value"] == 4.0
    assert by_state["value", "state=NSW"]["missed"] is False
    assert one == {("value", "state=VIC"): by_state["value", "state=VIC"]}
    found = {segment: of["value"] for (_, segment), of in by_region.items()}
    assert found == {"region=north": 40.0, "region=south": 80.0}
    assert by_region["margin", "region=north"]["outcomes"] == 4


def test_a_segment_that_nobody_knows_and_a_time_out_of_order_are_refused(
    live: Live, place: Any
) -> None:
    for asked, code in (
        ({"segment": "nation"}, "no_such_segment"),
        ({"segment": "state=QLD"}, "no_such_segment"),
        ({"since": SPAN["until"], "until": SPAN["since"]}, "not_in_order"),
    ):
        with pytest.raises(Problem) as problem:
            measured(live, place, **asked)
        assert problem.value.code == code
