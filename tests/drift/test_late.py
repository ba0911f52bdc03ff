"""What comes late, labels or events, is judged on the windows it belongs to."""

import asyncio
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pytest
from sqlalchemy import select

from app.bus import make_bus
from app.drift.tables import Window
from app.platform.db import ALL_TENANTS, Database
from app.platform.settings import Settings
from tests.live import Live, champion, wait_folded
from tests.system.traffic import wait_for
from tests.tenants import database_of

MONITOR = {"window_hours": 1, "step_hours": 1, "min_rows": 50, "hits": 2, "of": 3}
FIRST = np.datetime64("2026-04-01T00", "h")
HOURS, ROWS = 12, 60
SCORES: dict[str, float] = {}
DECISIONS: list[Any] = []


@pytest.fixture(scope="module")
def place(live: Live) -> Any:
    found = champion(live)
    live["ops"].put(f"/v1/decision-points/{found.point}/monitor", MONITOR)
    return found


@pytest.fixture(scope="module")
def decided(live: Live, place: Any) -> list[str]:
    """Twelve hours of a version that is as it was built, from the third on; no label is known."""
    decisions = routed(live, place)
    send(live, decisions, range(3, HOURS), 0.0)
    wait_folded(live, place.point)
    wait_for(lambda: len(windows(live, place)) >= HOURS - 4, "the windows that closed")
    DECISIONS[:] = decisions
    return [one["decision_id"] for one in decisions]


def routed(live: Live, place: Any) -> list[Any]:
    units = {"units": [{"unit": f"l-{number}"} for number in range(HOURS * ROWS)]}
    path = f"/v1/decision-points/{place.point}/route:batch"
    return list(live["app"].post(path, units)["decisions"])


def send(live: Live, decisions: list[Any], hours: range, shift: float) -> None:
    rng = np.random.default_rng(hours.start)
    events = []
    for hour in hours:
        for one in decisions[hour * ROWS : (hour + 1) * ROWS]:
            x = rng.normal() + shift
            score = SCORES[one["decision_id"]] = 1 / (1 + np.exp(-x))
            events.append(
                {"token": one["token"], "at": f"{FIRST + hour}:20:00Z", "features": {"x": x},
                 "score": score}
            )  # fmt: skip
    live["app"].post("/v1/events", {"events": events})


def windows(live: Live, place: Any) -> list[Any]:
    path = f"/v1/models/{place.model}/versions/{place.version}/drift"
    return list(live["aud"].get(path, limit=100)["items"])


def alerts(live: Live, place: Any) -> set[tuple[str, str]]:
    found = live["aud"].get("/v1/alerts", decision_point=place.point)["items"]
    return {(one["kind"], one["subject"]) for one in found}


def test_labels_that_come_when_their_windows_are_long_closed_are_judged(
    live: Live, place: Any, decided: list[str]
) -> None:
    assert all(one["labelled"] == 0 for one in windows(live, place))
    wrong = [
        {"decision_id": one, "label": int(SCORES[one] < 0.5), "at": f"{FIRST + HOURS}:00:00Z"}
        for one in decided[3 * ROWS : 7 * ROWS]
    ]
    live["app"].post("/v1/outcomes", {"outcomes": wrong})

    wait_for(lambda: ("mathematical", "accuracy") in alerts(live, place), "an alert")

    judged = [one for one in windows(live, place) if one["labelled"]]
    assert [one["labelled"] for one in judged] == [ROWS] * 4
    assert all(one["degraded"] for one in judged)


def recomputed(live: Live, place: Any, window: Any) -> Any:
    path = f"/v1/models/{place.model}/versions/{place.version}/drift"
    return live["aud"].get(f"{path}/{window['id']}:recompute")


def test_a_verdict_comes_out_again_of_what_it_was_made_of_and_nothing_else(
    live: Live, place: Any, decided: list[str]
) -> None:
    """Until a worker looks at it again: here its verdict is turned by hand."""
    assert decided
    judged = [one for one in windows(live, place) if one["labelled"]]

    found = recomputed(live, place, judged[0])

    assert (found["same"], found["differs"], found["changed"]) == (True, [], [])
    assert found["window"]["basis"]["outcomes"].startswith("sha256:")
    assert found["window"]["basis"]["past"]
    asyncio.run(forge(live, judged[0]["id"]))
    found = recomputed(live, place, judged[0])
    assert not found["same"]
    assert (found["differs"], found["changed"]) == (["degraded"], ["outcomes"])
    later = recomputed(live, place, judged[-1])
    assert later["same"]
    assert found["unrecorded"] == ["segments"]


async def forge(live: Live, window: str) -> None:
    """Have it that a window was judged well, by other outcomes, and segments not noted."""
    db = Database(database_of(live), Settings(), make_bus())
    try:
        async with db.transaction(ALL_TENANTS) as session:
            one = await session.scalar(select(Window).filter_by(id=UUID(window)))
            assert one is not None
            one.degraded = False
            kept = {name: what for name, what in one.basis.items() if name != "segments"}
            one.basis = {**kept, "outcomes": "sha256:others"}
    finally:
        await db.close()


def test_events_that_come_before_the_first_window_get_one(
    live: Live, place: Any, decided: list[str]
) -> None:
    assert decided
    before = {one["until"] for one in windows(live, place)}
    send(live, DECISIONS, range(3), 6.0)
    wait_folded(live, place.point)

    wait_for(lambda: len(windows(live, place)) == len(before) + 3, "three windows more")

    early = [one for one in windows(live, place) if one["until"] not in before]
    assert [one["n"] for one in early] == [ROWS] * 3
    assert all("x" in one["alerting"] for one in early)


def test_what_happened_before_the_first_event_that_came_gets_windows(live: Live) -> None:
    """As when somebody tries one event, and then sends what he has; and what lay between, later."""
    place = champion(live)
    live["ops"].put(f"/v1/decision-points/{place.point}/monitor", MONITOR)
    decisions = routed(live, place)
    send(live, decisions, range(HOURS - 1, HOURS), 0.0)
    wait_for(lambda: looked_at(live, place), "the look")
    assert windows(live, place) == []

    send(live, decisions, range(2), 6.0)
    wait_for(lambda: len(windows(live, place)) == 2, "the windows before the first event")
    wait_for(lambda: ("data", "x") in alerts(live, place), "an alert")
    send(live, decisions, range(5, 8), 6.0)
    wait_for(lambda: len(windows(live, place)) == 5, "the windows between")

    found = sorted(windows(live, place), key=lambda one: str(one["until"]))
    ends = [np.datetime64(one["until"][:13], "h") for one in found]
    assert ends == [FIRST + end for end in (1, 2, 6, 7, 8)]
    assert [one["n"] for one in found] == [ROWS] * 5
    assert all("x" in one["alerting"] for one in found)


def looked_at(live: Live, place: Any) -> bool:
    """Whether a worker has begun to examine a point's traffic."""
    query = (
        "SELECT count(*) FROM drift_watch w JOIN catalog_decision_point p"
        " ON p.tenant_id = w.tenant_id AND p.id = w.point_id WHERE p.key = %s"
    )
    with psycopg.connect(database_of(live)) as connection:
        found = connection.execute(query, (place.point,)).fetchone()
    return found is not None and found[0] == 1
