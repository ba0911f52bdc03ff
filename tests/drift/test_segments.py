"""Segments over HTTP: a contract declares them, and every figure is asked for by them."""

from typing import Any

import numpy as np
import psycopg
import pytest

from app.client import Problem
from tests.live import Live, champion, make_point, wait_folded
from tests.tenants import database_of

FIRST = np.datetime64("2026-04-01T00", "h")
HOURS, ROWS = 6, 60
STATES = ["NSW", "VIC", None]


@pytest.fixture(scope="module")
def place(live: Live) -> Any:
    """A champion that selects fewer women from hour to hour; `gender` says what `sex` says."""
    found = champion(live, point=make_point(live, segments=["sex", "state"]))
    rng = np.random.default_rng(7)
    asked = {"units": [{"unit": f"u-{number}"} for number in range(HOURS * ROWS)]}
    path = f"/v1/decision-points/{found.point}"
    events, outcomes = [], []
    for number, one in enumerate(live["app"].post(f"{path}/route:batch", asked)["decisions"]):
        hour, row = divmod(number, ROWS)
        at = f"{FIRST + hour}:30:00Z"
        sex = "f" if row % 2 else "m"
        selected = rng.random() < (0.7 if sex == "m" else 0.7 - 0.1 * hour)
        features = {"x": rng.normal(), "sex": sex, "gender": sex, "state": STATES[row % 3]}
        event = {"token": one["token"], "at": at, "features": features, "score": rng.random()}
        if row % 5:
            event["prediction"] = selected
        else:
            event["score"] = 0.5 + 0.4 * selected if selected else 0.3
        events.append(event)
        outcomes.append(
            {"decision_id": one["decision_id"], "at": at, "label": int(rng.random() < 0.5)}
        )
    live["app"].post("/v1/outcomes", {"outcomes": outcomes[::3]})
    live["app"].post("/v1/events", {"events": events})
    live["app"].post("/v1/outcomes", {"outcomes": outcomes[: HOURS * ROWS // 2]})
    right = [{**one, "label": 1 - one["label"], "revision": 1} for one in outcomes[:50]]
    live["app"].post("/v1/outcomes", {"outcomes": right})
    wait_folded(live, found.point)
    return found


def fairness(live: Live, place: Any, variable: str, **more: Any) -> Any:
    path = f"/v1/models/{place.model}/versions/{place.version}/fairness"
    return live["aud"].get(
        path, decision_point=place.point, variable=variable, windows=HOURS, **more
    )


def of_point(live: Live, place: Any, what: str, **more: Any) -> Any:
    return live["aud"].get(f"/v1/decision-points/{place.point}/{what}", **more)


def test_profiles_say_of_groups_what_raw_events_say(live: Live, place: Any) -> None:
    by_profiles, by_events = fairness(live, place, "sex"), fairness(live, place, "gender")

    assert (by_profiles.pop("source"), by_events.pop("source")) == ("profiles", "events")
    assert (by_profiles.pop("variable"), by_events.pop("variable")) == ("sex", "gender")
    assert by_profiles == by_events
    assert by_profiles["covered"] == 1.0
    assert set(by_profiles["rates"]) == {"f", "m"}
    assert by_profiles["rates"]["f"]["true_positive_rate"]["rows"] > 0
    selection = [one for one in by_profiles["reinforcements"] if one["rate"] == "selection_rate"]
    assert [one["trend"]["windows"] for one in selection] == [HOURS]


def test_the_unit_of_a_part_of_the_time_is_the_hour(live: Live, place: Any) -> None:
    between = {"since": f"{FIRST + 1}:00:00Z", "until": f"{FIRST + 3}:00:00Z"}
    by_profiles = fairness(live, place, "sex", **between)

    assert by_profiles["rates"] == fairness(live, place, "gender", **between)["rates"]
    assert sum(one["selection_rate"]["rows"] for one in by_profiles["rates"].values()) == 2 * ROWS


def test_telemetry_shows_the_parts_of_a_segment_beside_the_whole(live: Live, place: Any) -> None:
    plain = of_point(live, place, "telemetry")
    found = of_point(live, place, "telemetry", segment="state")
    (one,) = of_point(live, place, "telemetry", segment="state=VIC")["series"][-1:]

    wholes = [one for one in found["series"] if not one["segment"]]
    parts = [one for one in found["series"] if one["segment"] and one["arm"] == "champion"]
    assert wholes == plain["series"]
    assert found["stored_events"] == plain["stored_events"]
    assert [one["segment"] for one in parts] == ["state=NSW", "state=VIC", "state=…"]
    (whole,) = [one for one in wholes if one["arm"] == "champion"]
    for figure in ("events", "labelled"):
        assert sum(one[figure] for one in parts) == whole[figure]
    assert (one["segment"], one["events"]) == ("state=VIC", HOURS * ROWS // 3)
    assert one["first_hour"] == whole["first_hour"]


def test_metrics_over_time_are_drawn_by_segment(live: Live, place: Any) -> None:
    window = {"since": f"{FIRST}:00:00Z", "until": f"{FIRST + HOURS}:00:00Z"}

    def lines(metric: str, **more: Any) -> dict[str, list[tuple[str, float, int]]]:
        found = of_point(live, place, "series", metric=metric, **window, **more)
        return {
            one["segment"]: [(p["at"], p["value"], p["n"]) for p in one["points"]]
            for one in found["lines"]
        }

    assert set(lines("events")) == {""}
    assert set(lines("accuracy", segment="sex")) == {"sex=f", "sex=m"}
    assert set(lines("mean:x", segment="sex=f")) == {"sex=f"}
    assert [n for _, _, n in lines("psi:score", segment="sex=f")["sex=f"]] == [ROWS // 2] * HOURS
    (whole,) = lines("mean:x").values()
    halves = lines("mean:x", segment="sex").values()
    for (_, mean, _), *some in zip(whole, *halves, strict=True):
        assert mean == pytest.approx(sum(value for _, value, _ in some) / 2)


def test_a_segment_that_nobody_declared_is_refused(live: Live, place: Any) -> None:
    for what in ("telemetry", "series"):
        with pytest.raises(Problem) as problem:
            of_point(live, place, what, segment="gender=f")
        assert problem.value.document["code"] == "no_such_segment"
        assert place.point in problem.value.document["mend"]
        assert "they are by" in problem.value.document["detail"]


@pytest.mark.parametrize("what", ["telemetry", "series"])
def test_a_value_that_no_event_had_is_refused_with_those_that_some_had(
    live: Live, place: Any, what: str
) -> None:
    with pytest.raises(Problem) as problem:
        of_point(live, place, what, segment="sex=x")

    said = problem.value.document
    assert (said["status"], said["code"]) == (422, "no_such_segment")
    assert {"f", "m"} <= set(said["known"])
    assert "sex=f" in said["mend"]


def test_a_value_of_other_arms_and_of_what_was_never_counted_is_not_misspelled(
    live: Live, place: Any
) -> None:
    assert of_point(live, place, "series", segment="sex=f", arm="fallback")["lines"] == []
    fresh = make_point(live, segments=["sex"])
    path = f"/v1/decision-points/{fresh}/series"
    assert live["aud"].get(path, segment="sex=anything")["lines"] == []


@pytest.mark.parametrize(
    ("contract", "said"),
    [
        ({"segments": ["a", "a"]}, "named twice"),
        ({"segments": ["a", "b", "c", "d"]}, "at most 3"),
        ({"segments": ["a=b"]}, "pattern"),
        ({"segments": [""]}, "pattern"),
        ({"segments": [3]}, "string"),
        (
            {"segments": ["a"], "input_schema": {"type": "object", "properties": {"x": {}}}},
            "a is not among the properties of input_schema",
        ),
    ],
)
def test_a_contract_whose_segments_are_in_order(live: Live, contract: Any, said: str) -> None:
    with pytest.raises(Problem) as problem:
        make_point(live, **contract)

    assert problem.value.document["status"] == 422
    assert said in str(problem.value.document)


def test_segments_are_content_of_the_contract(live: Live) -> None:
    schema = {"type": "object", "properties": {"x": {}, "a": {}}}
    path = f"/v1/decision-points/{make_point(live, segments=['a'], input_schema=schema)}"
    made = live["ops"].get(path)
    without = live["ops"].patch(
        path, {"contract": {**made["contract"], "segments": []}}, revision=made["revision"]
    )

    assert made["contract"]["segments"] == ["a"]
    assert (without["contract"]["segments"], without["revision"]) == ([], made["revision"] + 1)


def test_profiles_answer_when_raw_events_are_gone(live: Live, place: Any) -> None:
    """Last: it takes the events of this place."""
    before = fairness(live, place, "sex")
    with psycopg.connect(database_of(live)) as connection:
        connection.execute(
            "DELETE FROM telemetry_event WHERE series_id IN (SELECT s.id FROM telemetry_series s"
            " JOIN catalog_decision_point p ON p.id = s.point_id WHERE p.key = %s)",
            (place.point,),
        )

    assert fairness(live, place, "sex") == before
    gone = fairness(live, place, "gender")
    assert (gone["rates"], gone["covered"]) == ({}, 0.0)
