"""A monitor may go by the season: what has a weekly rhythm is quiet, what breaks it is told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from tests.live import Live, Place, champion, lift_control, unique, wait_folded
from tests.system.traffic import wait_for

FIRST = datetime(2026, 3, 2, tzinfo=UTC)
WEEKS, ROWS = 4, 80
WATCH = {
    "min_rows": 50, "hits": 2, "of": 3, "drift_against": "season", "business_against": "season",
}  # fmt: skip


@pytest.fixture(scope="module")
def place(live: Live) -> Place:
    lift_control(live, "kpi")
    found = champion(live)
    path = f"/v1/decision-points/{found.point}"
    live["ops"].put(f"{path}/monitor", WATCH)
    said = {"name": "Margin", "threshold": 1.0, "tolerance": 0.1, "unit": "EUR"}
    live["ops"].put(f"{path}/kpis/margin", said)
    return found


def send(live: Live, place: Place, days: range, *, broken: bool = False) -> None:
    """Weekends bring less, from other inputs; if broken, all days do."""
    rng = np.random.default_rng(days.start)
    path = f"/v1/decision-points/{place.point}/route:batch"
    events, outcomes = [], []
    for number in range(len(days) * ROWS):
        if number % 800 == 0:
            units = {"units": [{"unit": unique("u")} for _ in range(800)]}
            decisions = live["app"].post(path, units)["decisions"]
        one, day = decisions[number % 800], days[number // ROWS]
        at = (FIRST + timedelta(days=day, hours=12)).isoformat()
        weekend = broken or day % 7 >= 5
        features = {"x": rng.normal() + 4 * weekend}
        events.append({"token": one["token"], "at": at, "features": features, "score": 0.5})
        reward = (0.5 if weekend else 2.0) + rng.normal() / 10
        outcomes.append({"decision_id": one["decision_id"], "reward": reward, "at": at})
    live["app"].post("/v1/events", {"events": events})
    live["app"].post("/v1/outcomes", {"outcomes": outcomes})
    wait_folded(live, place.point)


def windows(live: Live, place: Place) -> list[Any]:
    path = f"/v1/models/{place.model}/versions/{place.version}/drift"
    return list(live["aud"].get(path, limit=100)["items"][::-1])


def alerts(live: Live, place: Place) -> dict[tuple[str, str], Any]:
    found = live["aud"].get("/v1/alerts", decision_point=place.point)["items"]
    return {(one["kind"], one["subject"]): one for one in found}


def test_a_rhythm_is_quiet_and_what_breaks_it_is_an_alert(live: Live, place: Place) -> None:
    send(live, place, range(7 * WEEKS))

    def valued() -> bool:
        found = windows(live, place)
        return len(found) == 7 * WEEKS - 1 and all(one["kpis"][0]["value"] for one in found)

    wait_for(valued, "the windows", 60)
    found = windows(live, place)

    assert [one["compared_with"] for one in found] == [None] * 7 + ["season"] * (7 * WEEKS - 8)
    assert not any(one["alerting"] for one in found)
    assert [one["share"] for one in found[:8]] == [None] * 7 + [0.0], "nobody knows, so far"
    # Two weeks before, and four days of those that came twice: then the season says something.
    assert [one["kpis"][0]["missed"] for one in found] == [None] * 18 + [False] * 9
    assert found[-1]["kpis"][0]["value"] < 1.0, "the threshold that was agreed is missed"
    assert found[-1]["kpis"][0]["seasonal"]["value"] == pytest.approx(0.5, abs=0.1)
    assert not {("data", "x"), ("business", "margin")} & alerts(live, place).keys()

    send(live, place, range(7 * WEEKS, 7 * WEEKS + 4), broken=True)
    both = {("data", "x"), ("business", "margin")}
    wait_for(lambda: both <= alerts(live, place).keys(), "the alerts", 60)

    told = alerts(live, place)
    assert told["data", "x"]["severity"] in {"warning", "critical"}
    shown = live["aud"].get(f"/v1/alerts/{told['business', 'margin']['id']}")
    kpi = shown["evidence"][0]["kpi"]
    assert kpi["seasonal"]["missed"]
    assert kpi["seasonal"]["value"] - kpi["value"] > kpi["seasonal"]["room"]
