"""Whether variables go together as they did, over HTTP."""

import uuid
from typing import Any

import numpy as np
import pytest

from app.kit.arrays import Floats
from tests.live import (
    Live,
    Place,
    champion,
    crown,
    make_model,
    make_point,
    release,
    validate,
    wait_folded,
)

FIRST = np.datetime64("2026-03-01T00", "h")
NAMES = ("x", "y", "z")


def tied(rng: np.random.Generator, rows: int) -> Floats:
    """Three normal variables; y mostly says what x says."""
    values = rng.normal(size=(rows, 3))
    values[:, 1] = 0.95 * values[:, 0] + np.sqrt(1 - 0.95**2) * values[:, 1]
    return values


def event(values: Floats) -> dict[str, Any]:
    return {
        "features": dict(zip(NAMES, values.tolist(), strict=True)),
        "score": float(1 / (1 + np.exp(-values[0]))),
    }


@pytest.fixture(scope="module")
def place(live: Live) -> Place:
    """A champion of three variables, two of which go together until, after six hours, they part."""
    rng = np.random.default_rng(1)
    model = make_model(live)
    made = live["dev"].post(
        f"/v1/models/{model}/versions",
        {
            "source": f"urn:model:{model}",
            "digest": "sha256:" + "0" * 64,
            "signature": {"inputs": [{"name": name} for name in NAMES]},
            "training_data": {"reference": "made here"},
            "card": {"summary": "A test.", "intended_use": "A test."},
        },
    )
    place = Place(model, make_point(live), int(made["number"]))
    contract = {"inputs": [{"name": name} for name in NAMES], "events_per_minute": 1.0}
    live["ops"].patch(
        f"/v1/decision-points/{place.point}", {"contract": {**contract, "latency_ms": 50}},
        revision=1,
    )  # fmt: skip
    values = tied(rng, 2000)
    score = 1 / (1 + np.exp(-values[:, 0]))
    columns = {name: values[:, at].tolist() for at, name in enumerate(NAMES)}
    columns |= {
        "score": score.tolist(), "label": (rng.random(2000) < score).astype(int).tolist(),
    }  # fmt: skip
    path = f"/v1/models/{model}/versions/{place.version}"
    live["dev"].put(f"{path}/baseline", {"columns": columns})
    validate(live, model, place.version)
    rehearsed = [
        {"event_id": str(uuid.uuid4()), "at": f"{np.datetime64('2026-01-01T00', 'm') + n}:00Z",
         **event(row)}
        for n, row in enumerate(tied(rng, 600))
    ]  # fmt: skip
    named = {"model": model, "version": place.version, "decision_point": place.point}
    live["dev"].post("/v1/events", {**named, "events": rehearsed})
    outcomes = [
        {"decision_id": one["event_id"], "label": int(rng.random() < one["score"]), "reward": 1.0,
         "at": one["at"]}
        for one in rehearsed
    ]  # fmt: skip
    live["dev"].post("/v1/outcomes", {**named, "outcomes": outcomes})
    wait_folded(live, place.point)
    assert release(live, place)["passed"]
    crown(live, place)
    send(live, place, rng)
    return place


def send(live: Live, place: Place, rng: np.random.Generator) -> None:
    """Twelve hours of 250 events: in the second six, y has left x for good."""
    asked = {"units": [{"unit": f"u-{number}"} for number in range(1000)]}
    path = f"/v1/decision-points/{place.point}/route:batch"
    decisions = [one for _ in range(3) for one in live["app"].post(path, asked)["decisions"]]
    values = tied(rng, 3000)
    values[1500:, 1] = rng.permutation(values[1500:, 1])
    events = [
        {"token": one["token"], "at": f"{FIRST + number // 250}:30:00Z", **event(row)}
        for number, (one, row) in enumerate(zip(decisions, values, strict=True))
    ]
    live["app"].post("/v1/events", {"events": events})
    wait_folded(live, place.point)


def ask(live: Live, place: Place, **more: Any) -> Any:
    path = f"/v1/models/{place.model}/versions/{place.version}/multivariate"
    return live["aud"].get(path, decision_point=place.point, **more)


def test_variables_that_part_are_told_where_no_variable_drifts(live: Live, place: Place) -> None:
    found = ask(live, place, windows=2)

    before, after = found["windows"]
    assert found["share"] == 1.0
    assert (found["reference"]["variables"], found["reference"]["rows"]) == (3, 1000)
    assert before["n"] + after["n"] == 3000
    assert (before["beyond"], after["beyond"]) == (False, True)
    assert after["low"] > found["reference"]["error"]
    assert after["effect"] > 0.3
    windows = live["aud"].get(f"/v1/models/{place.model}/versions/{place.version}/drift")
    assert all(one["alerting"] == [] for one in windows["items"])


def test_a_window_of_too_few_rows_is_not_judged(live: Live, place: Place) -> None:
    found = ask(live, place, windows=12)

    assert {one["beyond"] for one in found["windows"]} == {None}
    assert all(one["error"] > 0 for one in found["windows"])


def test_of_a_single_variable_nothing_is_learnt(live: Live) -> None:
    found = ask(live, champion(live))

    assert (found["reference"], found["windows"]) == (None, [])
    assert "/baseline" in found["lacking"]
