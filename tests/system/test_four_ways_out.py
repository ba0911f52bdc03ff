"""Continuous KPI validation: production evidence ends in one of the framework's four ways."""

import time
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import select

from app import routing
from app.platform.db import ALL_TENANTS, Database
from app.revalidation.service import review_seat
from tests.live import Live, Place, champion, route, wait_folded
from tests.revalidation.aging import step

HOURS, AN_HOUR = 13, 60
PARTS = (0, 5, 11, HOURS)
"""Hours at which traffic pauses until it is folded: a window that closes has its outcomes by then,
but for its last hour's."""
WATCH = {"window_hours": 6, "step_hours": 6, "min_rows": 200, "hits": 1, "of": 1}
SECONDS = 30


def send(live: Live, place: Place, *, shift: float, right: float, reward: float) -> None:
    """Thirteen hours of production: inputs moved by ``shift``, calls ``right`` so often."""
    rng = np.random.default_rng(7)
    for begin, end in pairwise(PARTS):
        send_hours(live, place, range(begin, end), rng, shift=shift, right=right, reward=reward)
        wait_folded(live, place.point)


def send_hours(
    live: Live,
    place: Place,
    hours: range,
    rng: np.random.Generator,
    *,
    shift: float,
    right: float,
    reward: float,
) -> None:
    events, outcomes = [], []
    for number in range(hours.start * AN_HOUR, hours.stop * AN_HOUR):
        decision = route(live, place.point, f"unit-{number}")
        at = f"2026-03-01T{number // AN_HOUR:02d}:{number % AN_HOUR:02d}:00Z"
        x = rng.normal() + shift
        score = float(1 / (1 + np.exp(-x)))
        truth = (score >= 0.5) == (rng.random() < right)
        events.append({"token": decision["token"], "at": at, "features": {"x": x}, "score": score})
        outcomes.append(
            {
                "decision_id": decision["decision_id"],
                "label": int(truth),
                "reward": reward,
                "at": at,
            }
        )
    live["app"].post("/v1/events", {"events": events})
    live["app"].post("/v1/outcomes", {"outcomes": outcomes})


def reviewed(live: Live, place: Place) -> list[Any]:
    """Wait for the review of the second window, or for the one that ended it."""
    path = f"/v1/models/{place.model}/versions/{place.version}/reviews"
    deadline = time.monotonic() + SECONDS
    found: list[Any] = []
    while time.monotonic() < deadline:
        found = live["aud"].get(path)["items"]
        if found and (found[0]["path"] != "delivers_as_promised" or "T12" in found[0]["until"]):
            break
        time.sleep(0.2)
    return found


@pytest.mark.parametrize(
    ("traffic", "path", "stage", "back"),
    [
        (
            {"shift": 6.0, "right": 0.7, "reward": 1.0},
            "data_drift",
            "returned",
            "data_acquisition",
        ),
        (
            {"shift": 0.0, "right": 0.7, "reward": -1.0},
            "business_drift",
            "returned",
            "business_understanding",
        ),
        ({"shift": 0.0, "right": 0.1, "reward": 1.0}, "mathematical_drift", "returned", "analysis"),
        ({"shift": 0.0, "right": 0.7, "reward": 1.0}, "delivers_as_promised", "activated", None),
    ],
)
def test_what_production_shows_decides_where_a_version_goes(
    live: Live, traffic: dict[str, float], path: str, stage: str, back: str | None
) -> None:
    place = champion(live)
    live["ops"].put(f"/v1/decision-points/{place.point}/monitor", WATCH)
    live["com"].put(
        f"/v1/decision-points/{place.point}/kpis/value",
        {"name": "Value", "threshold": 0.5, "unit": "EUR a decision"},
    )

    send(live, place, **traffic)
    reviews = reviewed(live, place)
    version = live["dev"].get(f"/v1/models/{place.model}/versions/{place.version}")

    assert reviews[0]["path"] == path
    assert (version["stage"], version["returned_to"]) == (stage, back)
    assert route(live, place.point, "still answered")["version"] == place.version
    stream = f"version:{version['id']}"
    told = live["aud"].get("/v1/audit", action="version.reviewed", stream=stream)["items"]
    said = {(one["details"]["path"], one["details"]["until"][:19]) for one in told}
    assert {(one["path"], one["until"][:19]) for one in reviews} <= said
    verdicts = live["aud"].get(f"/v1/cases/{reviews[0]['case_id']}")["verdicts"]
    facts = next(v for v in verdicts if v["id"] == reviews[0]["verdict_id"])["facts"]["evidence"]
    assert facts["drift"]["windows"] >= 1
    assert facts["kpi"]["measured"][0]["value"] == pytest.approx(traffic["reward"])
    if back is not None:
        review_again(live, version["id"])
        path = f"/v1/models/{place.model}/versions/{place.version}/reviews"
        assert live["aud"].get(path)["items"] == reviews


def review_again(live: Live, version_id: str) -> None:
    """Review a version that was sent back, as when another point's window was due with this one."""

    async def once(database: Database) -> None:
        async with database.transaction(ALL_TENANTS) as session:
            seat = await session.scalar(
                select(routing.Seat).filter_by(version_id=UUID(version_id), until=None)
            )
            assert seat is not None
            await review_seat(session, seat.tenant_id, seat.id, datetime.now(UTC))

    step(live, once)
