"""What comes very late is judged too: labels of long ago, an outage's events, the last window."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import psycopg
import pytest

from tests.live import Live, Place, champion, wait_folded
from tests.system.traffic import wait_for
from tests.tenants import database_of

FIRST = np.datetime64("2026-03-01T00", "h")
HOURS, ROWS = 76, 12
LEFT_OUT = (20, 21)


@pytest.fixture(scope="module")
def place(live: Live) -> Place:
    found = champion(live)
    monitor = {"window_hours": 1, "step_hours": 1, "min_rows": 10, "hits": 2, "of": 3}
    live["ops"].put(f"/v1/decision-points/{found.point}/monitor", monitor)
    return found


@pytest.fixture(scope="module")
def decisions(live: Live, place: Place) -> list[Any]:
    """More hours than alerts look back, but for two; no label is known."""
    units = {"units": [{"unit": f"l-{number}"} for number in range(HOURS * ROWS)]}
    found: list[Any] = live["app"].post(f"/v1/decision-points/{place.point}/route:batch", units)[
        "decisions"
    ]
    send(live, place, found, [hour for hour in range(HOURS) if hour not in LEFT_OUT])
    wait_for(lambda: len(windows(live, place)) >= HOURS - len(LEFT_OUT) - 1, "the windows", 60)
    return found


def send(
    live: Live, place: Place, decisions: list[Any], hours: Sequence[int], shift: float = 0.0
) -> None:
    rng = np.random.default_rng(hours[0])
    events = [
        {"token": one["token"], "at": f"{FIRST + hour}:20:00Z", "score": 0.9,
         "features": {"x": rng.normal() + shift}}
        for hour in hours
        for one in decisions[hour * ROWS : (hour + 1) * ROWS]
    ]  # fmt: skip
    live["app"].post("/v1/events", {"events": events})
    wait_folded(live, place.point)


def windows(live: Live, place: Place) -> dict[str, Any]:
    path = f"/v1/models/{place.model}/versions/{place.version}/drift"
    return {one["until"]: one for one in live["aud"].pages(path, limit=200)}


def ends(*hours: int) -> list[str]:
    return [f"{FIRST + hour + 1}:00:00Z" for hour in hours]


def test_labels_are_judged_on_windows_that_are_further_back_than_alerts_look(
    live: Live, place: Place, decisions: list[Any]
) -> None:
    wrong = [
        {"decision_id": one["decision_id"], "label": 0, "at": f"{FIRST + HOURS}:00:00Z"}
        for one in decisions[: 4 * ROWS]
    ]
    live["app"].post("/v1/outcomes", {"outcomes": wrong})

    def told() -> bool:
        found = live["aud"].get("/v1/alerts", decision_point=place.point)["items"]
        return ("mathematical", "accuracy") in {(one["kind"], one["subject"]) for one in found}

    wait_for(told, "an alert", 60)
    assert [windows(live, place)[end]["labelled"] for end in ends(0, 1, 2, 3, 4)] == [ROWS] * 4 + [
        0
    ]


def test_events_that_come_into_a_gap_get_their_windows(
    live: Live, place: Place, decisions: list[Any]
) -> None:
    assert not set(ends(*LEFT_OUT)) & windows(live, place).keys()

    send(live, place, decisions, LEFT_OUT, 8.0)

    wait_for(lambda: set(ends(*LEFT_OUT)) <= windows(live, place).keys(), "two windows more")
    found = [windows(live, place)[end] for end in ends(*LEFT_OUT)]
    assert [one["n"] for one in found] == [ROWS] * 2
    assert len(windows(live, place)) == HOURS - 1


def test_the_last_window_closes_by_the_clock_once_nothing_comes_any_more(
    live: Live, place: Place, decisions: list[Any]
) -> None:
    assert decisions
    (last,) = ends(HOURS - 1)
    assert last not in windows(live, place)

    with psycopg.connect(database_of(live)) as connection:
        connection.execute(
            "UPDATE telemetry_hour h SET folded_at = folded_at - interval '2 hours'"
            " FROM telemetry_series s JOIN catalog_decision_point p"
            " ON (p.tenant_id, p.id) = (s.tenant_id, s.point_id)"
            " WHERE (h.tenant_id, h.series_id) = (s.tenant_id, s.id) AND p.key = %s",
            (place.point,),
        )

    wait_for(lambda: last in windows(live, place), "the last window")
    assert windows(live, place)[last]["n"] == ROWS
    assert len(windows(live, place)) == HOURS
