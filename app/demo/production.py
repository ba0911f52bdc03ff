"""Handing over to production: a target, the hand-off, the prepared swap, an emergency rehearsed."""

import time
from typing import Any

from app.demo.cast import Cast
from app.demo.cycle import Built, Names, approve_and_judge, endpoint_of
from app.demo.narrator import Narrator

TARGET = "desk"
_SECONDS = 10


def name_target(cast: Cast, names: Names) -> None:
    """Oscar names where versions run, and what answers if all of them must not."""
    point = f"/v1/decision-points/{names.point}"
    cast["oscar"].put(
        f"{point}/targets/{TARGET}",
        {
            "environment": "on_premises",
            "description": "The bidding desk's own machine.",
            "stale_after_seconds": 86_400,
        },
    )
    constant = {"call": "none", "instead": "bid as the day before"}
    cast["oscar"].put(f"{point}/fallback", {"kind": "constant", "constant": constant})


def open_activation(cast: Cast, names: Names, built: Built, role: str) -> Any:
    """Oscar asks for the seat; Dana hands over, he accepts; the desk's machine has loaded it."""
    case = cast["oscar"].post(
        "/v1/activations",
        {
            "model": names.model,
            "version": built.number,
            "decision_point": names.point,
            "role": role,
            "endpoint": endpoint_of(names, built),
        },
    )
    path = f"/v1/activations/{case['id']}/hand-off"
    given = cast["dana"].post(
        path,
        {
            "runbook": "Restart the desk's scorer; if that does not help, stop the point.",
            "contact": "dana",
            "rollback_plan": "One call; the version before stays warm for a day.",
        },
    )
    cast["oscar"].post(f"{path}:accept", {"digest": given["digest"]})
    report = {
        "model": names.model,
        "version": built.number,
        "digest": built.model.digest,
        "state": "warm",
    }
    path = f"/v1/decision-points/{names.point}/targets/{TARGET}/reports"
    cast["bidding-desk"].post(path, report)
    return case


def swap(cast: Cast, case: Any) -> Any:
    """Carla approves, the gates are judged, Oscar prepares and commits; return the seat."""
    approve_and_judge(cast, case)
    path = f"/v1/activations/{case['id']}"
    found = cast["oscar"].post(f"{path}:prepare", {})
    ends = time.monotonic() + _SECONDS
    while found["ready"] is None and time.monotonic() < ends:
        time.sleep(0.2)
        found = cast["oscar"].get(f"{path}/preparations", limit=1)["items"][0]
    return cast["oscar"].post(f"{path}:commit")


def rehearse_stop(say: Narrator, cast: Cast, names: Names) -> None:
    """Oscar presses the emergency stop, sees the fallback answer, and lets the point go on."""
    point = f"/v1/decision-points/{names.point}"
    pressed = time.monotonic()
    cast["oscar"].post(f"{point}:stop", {"reason": "a rehearsal of the emergency"})
    answer = _answered(cast, point, stopped=True)
    took = time.monotonic() - pressed
    say.line(
        f"oscar presses the emergency stop: {took:.1f} s later every call is answered with"
        f" {answer.get('constant')}."
    )
    cast["oscar"].post(f"{point}:resume", {"reason": "rehearsal over"})
    answer = _answered(cast, point, stopped=False)
    say.line(f"He lets it go on: {answer['model']}@{answer['version']} answers again.")


def _answered(cast: Cast, point: str, *, stopped: bool) -> Any:
    """Ask until the answer shows the stop, or its end; five seconds are promised."""
    ends = time.monotonic() + _SECONDS
    while True:
        found = cast["bidding-desk"].post(f"{point}/route", {"unit": "rehearsal"})
        if (found["arm"] == "fallback") is stopped or time.monotonic() > ends:
            return found
        time.sleep(0.05)
