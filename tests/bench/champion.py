"""A champion to route to: a version of ten numeric features, taken through the cycle over HTTP."""

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import numpy as np

from app.client import Client
from app.demo import production
from app.demo.cast import Cast, assemble
from app.demo.cycle import Built, Names
from app.demo.scorers import LogisticRegression
from tests.bench.load import FEATURES
from tests.bench.servers import BenchFailed

NAMES = Names(model="bench-model", rule="bench-rule", point="bench-point")
_ROWS = 2_000
_REHEARSED = 600
_PATIENCE = 30.0
_STEPS = ("model_release", "endpoint_identification", "parameter_testing", "kpi_validation")


@dataclass(frozen=True, slots=True)
class Crowned:
    """The application's key, a client that may look, and everybody else."""

    key: str
    watcher: Client
    cast: Cast

    def drained(self) -> None:
        """Wait until the worker has folded what was ingested."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if not self.watcher.get(f"/v1/decision-points/{NAMES.point}/telemetry")[
                "waiting_deltas"
            ]:
                return
            time.sleep(0.05)
        raise BenchFailed("The worker does not fold what was ingested.")


def crown(url: str, key: str) -> Crowned:
    """Register, validate, release and activate a version of low risk; return once it answers."""
    cast = assemble(url, Client(url, key))
    made = Crowned(cast.keys["bidding-desk"], cast["oscar"], cast)
    scorer = LogisticRegression(np.zeros(11), np.zeros(10), np.ones(10))
    built = Built(1, scorer, range(_ROWS), range(_ROWS))
    dice = random.Random(20260407)
    _register(cast, scorer.digest, dice)
    _validate(cast)
    _release(cast, made, dice)
    production.name_target(cast, NAMES)
    production.swap(cast, production.open_activation(cast, NAMES, built, "champion"))
    _await_route(Client(url, made.key))
    return made


def _register(cast: Cast, digest: str, dice: random.Random) -> None:
    inputs = [{"name": name} for name in FEATURES]
    cast["oscar"].post(
        "/v1/decision-points",
        {
            "key": NAMES.point,
            "kind": "application",
            "owner": "oscar",
            "description": "Where the bench asks.",
            "contract": {"inputs": inputs, "events_per_minute": 1e6, "latency_ms": 50},
        },
    )
    cast["dana"].post(
        "/v1/models",
        {
            "name": NAMES.model,
            "kind": "machine_learning",
            "risk_tier": "low",
            "owner": "dana",
            "purpose": "Be routed to, and reported on.",
        },
    )
    cast["dana"].post(
        f"/v1/models/{NAMES.model}/versions",
        {
            "source": "urn:model:bench:1",
            "digest": digest,
            "signature": {"inputs": inputs},
            "training_data": {"reference": "drawn at random"},
            "card": {"summary": "Ten normal variables.", "intended_use": "A bench."},
        },
    )
    columns = {name: [round(dice.gauss(), 6) for _ in range(_ROWS)] for name in FEATURES}
    columns["score"] = [round(dice.random(), 6) for _ in range(_ROWS)]
    cast["dana"].put(f"/v1/models/{NAMES.model}/versions/1/baseline", {"columns": columns})


def _validate(cast: Cast) -> None:
    case = cast["dana"].post("/v1/validations", {"model": NAMES.model, "version": 1})
    payload = {"holdout_rows": _ROWS, "accuracy": 0.9, "reproducible": True}
    step = "technical_validation"
    cast["vic"].post(
        f"/v1/cases/{case['id']}/steps/{step}/evidence",
        {"kind": "technical", "payload": payload},
    )
    cast["vic"].post(
        f"/v1/cases/{case['id']}/steps/{step}/approvals",
        {"approved": True, "reason": "repeated independently"},
    )
    _require(cast["vic"].post(f"/v1/validations/{case['id']}/steps/{step}:judge"), step)


def _release(cast: Cast, made: Crowned, dice: random.Random) -> None:
    events = [
        {
            "event_id": str(uuid4()),
            "at": datetime.now(UTC).isoformat(),
            "features": {name: round(dice.gauss(), 6) for name in FEATURES},
            "score": round(dice.random(), 6),
        }
        for _ in range(_REHEARSED)
    ]
    place = {"model": NAMES.model, "version": 1, "decision_point": NAMES.point}
    cast["dana"].post("/v1/events", {"events": events, **place})
    made.drained()
    case = cast["dana"].post("/v1/releases", place)
    for step in _STEPS:
        verdict = cast["oscar"].post(f"/v1/releases/{case['id']}/steps/{step}:judge")
        _require(verdict, step)


def _require(verdict: Any, step: str) -> None:
    if not verdict["passed"]:
        raise BenchFailed(f"The gate of {step} stays closed: {verdict}")


def _await_route(application: Client) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        try:
            application.post(f"/v1/decision-points/{NAMES.point}/route", {"unit": "probe"})
        except Exception:  # noqa: BLE001 - any refusal means: not yet
            time.sleep(0.05)
        else:
            return
    raise BenchFailed("No version answers at the decision point.")
