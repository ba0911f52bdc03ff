"""Business drift over HTTP: the worker judges agreed KPIs in the monitor's windows."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from app.kpi.rules import Direction, Formula, Found, gravely, missed
from tests.live import Live, Place, champion, lift_control, unique, wait_folded
from tests.routing.plans import cast
from tests.system.traffic import wait_for

FIRST = np.datetime64("2026-04-01T00", "h")
ROWS = 60
WATCH = {"window_hours": 1, "step_hours": 1, "min_rows": 50, "hits": 2, "of": 3}


@pytest.fixture(scope="module")
def governed(live: Live) -> Live:
    lift_control(live, "kpi")
    return live


@pytest.fixture
def place(governed: Live) -> Place:
    found = champion(governed)
    governed["ops"].put(f"/v1/decision-points/{found.point}/monitor", WATCH)
    return found


def agree(live: Live, place: Place, **terms: Any) -> str:
    key = unique("kpi")
    said = {"name": "A KPI", "threshold": 1.0, "tolerance": 0.25, "unit": "EUR", **terms}
    live["ops"].put(f"/v1/decision-points/{place.point}/kpis/{key}", said)
    return key


def decide(live: Live, place: Place, hours: range) -> list[Any]:
    """Sixty decisions an hour, as they are of a version that is as it was built."""
    rng = np.random.default_rng(hours.start)
    units = {"units": [{"unit": unique("u")} for _ in range(len(hours) * ROWS)]}
    path = f"/v1/decision-points/{place.point}/route:batch"
    decisions: list[Any] = live["app"].post(path, units)["decisions"]
    for number, one in enumerate(decisions):
        one["at"] = f"{FIRST + hours.start + number // ROWS}:20:00Z"
    live["app"].post(
        "/v1/events",
        {"events": [
            {"token": one["token"], "at": one["at"], "features": {"x": rng.normal()}, "score": 0.5}
            for one in decisions
        ]},
    )  # fmt: skip
    return decisions


def earn(live: Live, decisions: list[Any], reward: float) -> None:
    outcomes = [
        {"decision_id": one["decision_id"], "reward": reward, "at": one["at"]} for one in decisions
    ]
    live["app"].post("/v1/outcomes", {"outcomes": outcomes})


def alerts(live: Live, place: Place) -> list[Any]:
    asked = {"decision_point": place.point, "kind": "business"}
    return list(live["aud"].get("/v1/alerts", **asked)["items"])


def firing(live: Live, place: Place, key: str, severity: str) -> bool:
    found = {one["subject"]: (one["state"], one["severity"]) for one in alerts(live, place)}
    return found.get(key) == ("firing", severity)


def judged(live: Live, place: Place, key: str) -> list[Any]:
    """What each window says of a KPI, oldest first."""
    path = f"/v1/models/{place.model}/versions/{place.version}/drift"
    windows = live["aud"].get(path, limit=100)["items"][::-1]
    return [one for window in windows for one in window["kpis"] if one["key"] == key]


def holds(row: Any) -> bool:
    """Judge a window's KPI again, from what is stored of it."""
    terms = (
        Found(row["value"], row["n"], row["low"], row["high"]), Direction(row["direction"]),
        row["threshold"], row["tolerance"],
    )  # fmt: skip
    again = (missed(*terms), gravely(Formula(row["formula"]), *terms))
    return again == (row["missed"], row["gravely"])


def test_a_kpi_that_is_missed_fires_worsens_and_recovers_also_by_late_outcomes(
    governed: Live, place: Place
) -> None:
    live, key = governed, agree(governed, place)
    first = decide(live, place, range(4))
    wait_folded(live, place.point)
    wait_for(lambda: len(judged(live, place, key)) == 3, "three windows")
    assert {one["missed"] for one in judged(live, place, key)} == {None}

    earn(live, first, 0.6)  # their windows are closed
    wait_for(lambda: firing(live, place, key, "warning"), "an alert")

    (row,) = alerts(live, place)
    found = live["aud"].get(f"/v1/alerts/{row['id']}")
    assert found["evidence"][0]["kpi"] == judged(live, place, key)[-1]
    asked = {"model": place.model, "version": place.version}
    path = f"/v1/decision-points/{place.point}/kpis:measure"
    (measure,) = live["aud"].get(path, **asked)["measures"]
    last = found["evidence"][0]["kpi"]
    assert (last["value"], last["n"], last["threshold"]) == (pytest.approx(0.6), ROWS, 1.0)
    assert last["digest"] == measure["digest"]
    assert any("kpis:measure" in call for call in found["next"])

    earn(live, decide(live, place, range(4, 7)), 0.1)
    wait_for(lambda: firing(live, place, key, "critical"), "worse")
    earn(live, decide(live, place, range(7, 13)), 2.0)
    wait_for(lambda: alerts(live, place)[0]["state"] == "resolved", "the recovery")
    assert alerts(live, place)[0]["ending"] == "recovered"
    assert all(holds(one) for one in judged(live, place, key) if one["missed"] is not None)


def test_what_a_business_system_reports_of_closed_windows_is_judged_and_corrected(
    governed: Live, place: Place
) -> None:
    live, key = governed, agree(governed, place, formula="pushed", threshold=10.0)
    decide(live, place, range(5))
    wait_folded(live, place.point)
    wait_for(lambda: len(judged(live, place, key)) == 4, "four windows")
    path = f"/v1/decision-points/{place.point}/kpi-values"

    def report(value: float, revision: int) -> None:
        values = [
            {"kpi": key, "at": f"{FIRST + hour}:30:00Z", "value": value, "revision": revision}
            for hour in (1, 2)
        ]
        live["app"].post(path, {"values": values})

    report(3.0, 0)
    wait_for(lambda: firing(live, place, key, "critical"), "an alert")
    assert [one["value"] for one in judged(live, place, key)] == [None, 3.0, 3.0, None]
    report(20.0, 1)
    wait_for(lambda: judged(live, place, key)[1]["value"] == 20.0, "the correction")
    assert [one["missed"] for one in judged(live, place, key)] == [None, False, False, None]


def test_an_uplift_is_judged_with_its_interval_when_the_holdout_has_reported(
    governed: Live,
) -> None:
    live = governed
    at = cast(live)
    place = at.champion
    live["ops"].put(f"{at.path}/monitor", {**WATCH, "hits": 1, "of": 1})
    at.put({"segments": [{"name": "rest"}], "holdout": {"rate": 0.2}})
    key = agree(live, place, formula="uplift", threshold=0.5, tolerance=0.0)
    units = {"units": [{"unit": f"w-{number}"} for number in range(900)]}
    decisions = live["app"].post(f"{at.path}/route:batch", units)["decisions"]
    others = {"units": [{"unit": unique("later")} for _ in range(40)]}
    later = live["app"].post(f"{at.path}/route:batch", others)["decisions"]
    # The window that holds the units closes once something of the next hour has come.
    # Events may be an hour ahead: in its first seconds that is not the next hour yet.
    while (early := datetime.now(UTC)).minute == 0 and early.second < 15:
        time.sleep(1)
    now = datetime.now(UTC).isoformat()
    ahead = (datetime.now(UTC) + timedelta(minutes=59, seconds=50)).isoformat()
    treated = [one for one in decisions if one["arm"] == "champion"]
    held = [one for one in decisions if one["arm"] == "holdout"]
    live["app"].post(
        "/v1/events",
        {"events": [
            {"token": one["token"], "at": when, "features": {"x": 0.1}, "score": 0.5}
            for when, some in ((now, decisions), (ahead, later)) for one in some
        ]},
    )  # fmt: skip

    def earned(some: list[Any], reward: float) -> list[Any]:
        return [
            {"decision_id": one["decision_id"], "at": now,
             "reward": reward + (0.5 if number % 2 else -0.5)}
            for number, one in enumerate(some)
        ]  # fmt: skip

    live["app"].post("/v1/outcomes", {"outcomes": earned(treated, 1.0)})
    wait_folded(live, at.champion.point)
    wait_for(lambda: judged(live, place, key), "a window")
    assert judged(live, place, key)[0]["missed"] in {None, False}

    live["app"].post("/v1/outcomes", {"outcomes": earned(held, 1.0)})
    wait_for(lambda: firing(live, place, key, "critical"), "an alert")

    (row, *_) = judged(live, place, key)
    assert row["low"] < row["value"] < row["high"] < 0.5
    assert holds(row)
