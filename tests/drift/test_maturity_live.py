"""A monitor may wait for labels: younger windows say so, and are judged once it is their time."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from app import drift
from app.bus import make_bus
from app.platform.db import Database
from app.platform.settings import Settings
from app.release import measure_since
from tests.live import Live, Place, champion, lift_control, unique, wait_folded
from tests.system.traffic import wait_for
from tests.tenants import database_of

ROWS, DELAY = 60, 6
OLD, YOUNG = range(4), range(8, 12)
"""Hours of events: those long over at the time, and those of which labels are not due."""
WATCH = {
    "window_hours": 1, "step_hours": 1, "min_rows": 50, "hits": 2, "of": 3,
    "label_delay_hours": DELAY,
}  # fmt: skip


@pytest.fixture(scope="module")
def first() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=13)


@pytest.fixture(scope="module")
def place(live: Live, first: datetime) -> Place:
    """Of the old hours all answers were right, of the young ones all that is known is wrong."""
    lift_control(live, "kpi")
    found = champion(live)
    path = f"/v1/decision-points/{found.point}"
    live["ops"].put(f"{path}/monitor", WATCH)
    live["ops"].put(
        f"{path}/kpis/margin", {"name": "Margin", "threshold": 1.0, "tolerance": 0.1, "unit": "EUR"}
    )
    hours = [*OLD, *YOUNG]
    units = {"units": [{"unit": unique("u")} for _ in range(len(hours) * ROWS)]}
    decisions = live["app"].post(f"{path}/route:batch", units)["decisions"]
    rng = np.random.default_rng(3)
    events, outcomes = [], []
    for number, one in enumerate(decisions):
        hour = hours[number // ROWS]
        x = rng.normal()
        score = 1 / (1 + np.exp(-x))
        at = (first + timedelta(hours=hour, minutes=20)).isoformat()
        right = int(score >= 0.5)
        young = hour in YOUNG
        events.append({"token": one["token"], "at": at, "features": {"x": x}, "score": score})
        outcomes.append(
            {"decision_id": one["decision_id"], "label": 1 - right if young else right,
             "reward": 0.1 if young else 2.0, "at": at}
        )  # fmt: skip
    live["app"].post("/v1/events", {"events": events})
    live["app"].post("/v1/outcomes", {"outcomes": outcomes})
    wait_folded(live, found.point)
    return found


def windows(live: Live, place: Place, first: datetime) -> dict[int, Any]:
    path = f"/v1/models/{place.model}/versions/{place.version}/drift"
    rows = live["aud"].get(path, limit=100)["items"]
    return {
        round((datetime.fromisoformat(one["since"]) - first) / timedelta(hours=1)): one
        for one in rows
    }


def alerts(live: Live, place: Place) -> dict[tuple[str, str], Any]:
    found = live["aud"].get("/v1/alerts", decision_point=place.point)["items"]
    return {(one["kind"], one["subject"]): one for one in found}


def complete(live: Live, place: Place, first: datetime) -> bool:
    found = windows(live, place, first)
    return all(hour in found and found[hour]["labelled"] == ROWS for hour in (*OLD, *YOUNG[:-1]))


def test_younger_windows_are_not_judged_and_say_until_when(
    live: Live, place: Place, first: datetime
) -> None:
    wait_for(lambda: complete(live, place, first), "the windows")
    found = windows(live, place, first)

    for hour in OLD:
        assert (found[hour]["matures_at"], found[hour]["accuracy"]) == (None, 1.0)
        assert found[hour]["degraded"] is False
        assert [one["missed"] for one in found[hour]["kpis"]] == [False]
    for hour in YOUNG[:-1]:
        one = found[hour]
        assert (one["accuracy"], one["degraded"], one["metrics"]) == (None, None, [])
        assert [(kpi["value"], kpi["missed"]) for kpi in one["kpis"]] == [(None, None)]
        due = datetime.fromisoformat(one["matures_at"]) - datetime.fromisoformat(one["until"])
        assert due == timedelta(hours=DELAY)
        assert one["estimated"], "without labels there is what scores let expect"
    assert not {("mathematical", "accuracy"), ("business", "margin")} & alerts(live, place).keys()


def test_answers_are_of_what_is_mature_and_say_up_to_when(
    live: Live, place: Place, first: datetime
) -> None:
    path = f"/v1/models/{place.model}/versions/{place.version}"
    point = {"decision_point": place.point}

    found = live["aud"].get(f"{path}/calibration", **point)

    assert found["rows"] == len(OLD) * ROWS
    assert datetime.fromisoformat(found["judged_until"]) < datetime.fromisoformat(found["until"])
    fair = live["aud"].get(f"{path}/fairness", **point, variable="x")
    assert fair["judged_until"] == found["judged_until"]
    late = {**point, "since": (first + timedelta(hours=YOUNG[0])).isoformat()}
    assert live["aud"].get(f"{path}/calibration", **late)["rows"] == 0
    assert live["aud"].get(f"{path}/fairness", **late, variable="x")["rates"] == {}
    chart = f"/v1/decision-points/{place.point}/series"
    assert live["aud"].get(chart, metric="accuracy")["judged_until"] is not None
    assert live["aud"].get(chart, metric="events")["judged_until"] is None


@pytest.mark.anyio
async def test_gates_and_guardrails_go_by_what_is_mature(
    live: Live, place: Place, first: datetime
) -> None:
    tenant = UUID(live.admin.get("/v1/me")["tenant_id"])
    version = live["aud"].get(f"/v1/models/{place.model}/versions/{place.version}")
    point = live["aud"].get(f"/v1/decision-points/{place.point}")
    whose = (tenant, UUID(point["id"]), UUID(version["id"]))
    db = Database(database_of(live), Settings(), make_bus())
    try:
        async with db.session(tenant) as session:
            stand = await drift.standing(session, *whose)
            since = await drift.compare_since(session, *whose, first)
            facts = await measure_since(session, *whose, first)
            nothing = await measure_since(session, *whose, first + timedelta(hours=YOUNG[0]))
    finally:
        await db.close()

    assert (stand.accuracy, stand.labelled, stand.degraded) == (1.0, ROWS, False)
    assert stand.judged == (first + timedelta(hours=1), first + timedelta(hours=4))
    assert stand.until
    assert stand.until > first + timedelta(hours=YOUNG[0])
    assert (since.accuracy, since.labelled) == (1.0, len(OLD) * ROWS)
    assert facts["kpi"]["values"] == {"margin": pytest.approx(2.0)}
    assert (nothing["performance"]["labelled"], nothing["kpi"]["unmeasured"]) == (0, ["margin"])


def test_windows_are_judged_once_their_labels_have_had_their_time(
    live: Live, place: Place, first: datetime
) -> None:
    path = f"/v1/decision-points/{place.point}/monitor"
    revision = live["ops"].get(path)["revision"]

    live["ops"].put(path, {**WATCH, "label_delay_hours": 0}, revision=revision)
    wait_for(lambda: ("mathematical", "accuracy") in alerts(live, place), "the alert")

    found = windows(live, place, first)
    assert {found[hour]["accuracy"] for hour in YOUNG[:-1]} == {0.0}
    assert all(one["matures_at"] is None for one in found.values())
    told = alerts(live, place)
    assert ("business", "margin") in told
    shown = live["aud"].get(f"/v1/alerts/{told['mathematical', 'accuracy']['id']}")
    assert [one["degraded"] for one in shown["evidence"][:2]] == [True, True]
