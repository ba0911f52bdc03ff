"""The steps of the cycle, as the people of the story take them: each a few calls."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version as installed
from typing import Any

import numpy as np

from app.client import Client, Problem, Signer
from app.demo.cast import Cast
from app.demo.desk import EVEN, RULE_INPUT
from app.demo.market import DESCRIBED, INPUTS, ROWS_A_DAY, SOURCE, Market, when
from app.demo.scorers import Floats, LogisticRegression, recalibrated, train

_PARTS = ("night", "dawn", "morning", "noon", "afternoon", "evening")
_TOLERANCE = 0.15
_CASES = 200


@dataclass(frozen=True, slots=True)
class Names:
    """What things are called on this server."""

    model: str
    rule: str
    point: str


@dataclass(frozen=True, slots=True)
class Built:
    """A trained version, with the half-hours it was trained and held out on."""

    number: int
    model: LogisticRegression
    trained: range
    held_out: range


def identify_point(cast: Cast, names: Names) -> None:
    """Oscar identifies the decision point; he and Carla agree on how it is watched and paid."""
    inputs = [{"name": name} for name in (*INPUTS, RULE_INPUT)]
    cast["oscar"].post(
        "/v1/decision-points",
        {
            "key": names.point,
            "kind": "application",
            "owner": "oscar",
            "description": "Will the price rise above its last day's mean? Asked every half-hour.",
            # Half an hour passes between two calls: a second for the answer is what it is worth.
            "contract": {
                "inputs": inputs,
                "events_per_minute": 1 / 30,
                "latency_ms": 1000,
                "instance_tolerance": _TOLERANCE,
            },
        },
    )
    cast["oscar"].put(
        f"/v1/decision-points/{names.point}/monitor", {"window_hours": 336, "step_hours": 168}
    )
    cast["carla"].put(
        f"/v1/decision-points/{names.point}/kpis/value-of-a-call",
        {
            "name": "Value of a call",
            "formula": "mean_reward",
            "direction": "at_least",
            "threshold": 0.0,
            "unit": "points (+1 right, -1 wrong)",
        },
    )


def register_model(cast: Cast, names: Names) -> None:
    """Dana catalogues the model and the rule set."""
    cast["dana"].post(
        "/v1/models",
        {
            "name": names.model,
            "kind": "machine_learning",
            "risk_tier": "high",
            "owner": "dana",
            "purpose": "Say whether the price will rise above the mean of its last day.",
        },
    )
    cast["dana"].post(
        "/v1/models",
        {
            "name": names.rule,
            "kind": "rule_set",
            "risk_tier": "low",
            "owner": "dana",
            "purpose": "The price does what it did in the last half-hour.",
        },
    )
    cast["dana"].post(
        f"/v1/models/{names.rule}/versions",
        {
            "source": f"urn:rule:{names.rule}",
            "signature": {"inputs": [{"name": RULE_INPUT}]},
            "training_data": {"reference": "none"},
            "card": {"summary": "Repeat the last outcome.", "intended_use": "A yardstick."},
            "specifics": {
                "kind": "rule_set",
                "language": "other",
                "rule_count": 1,
                "conflict_resolution": "unique",
            },
        },
    )


def build(market: Market, number: int, trained: range, held_out: range) -> Built:
    """Train a version on some half-hours, keeping the next ones apart."""
    model = train(
        market.inputs[trained.start : trained.stop], market.rises[trained.start : trained.stop]
    )
    return Built(number, model, trained, held_out)


def accuracy(scores: Floats, market: Market, rows: range) -> float:
    """Return the share of right calls over ``rows``."""
    truth = market.rises[rows.start : rows.stop].astype(bool)
    return float(((scores >= EVEN) == truth).mean())


def register(cast: Cast, names: Names, market: Market, built: Built) -> Any:
    """Dana publishes a version with signature, card and baseline."""
    rows = built.trained
    scores = built.model.score(market.inputs[rows.start : rows.stop])
    held = built.model.score(market.inputs[built.held_out.start : built.held_out.stop])
    parents = [built.number - 1] if built.number > 1 else []
    version = cast["dana"].post(
        f"/v1/models/{names.model}/versions",
        {
            "source": f"urn:model:{names.model}:{built.number}",
            "digest": built.model.digest,
            "signature": {
                "inputs": [
                    {"name": name, "unit": "share of range", "description": description}
                    for name, description in DESCRIBED.items()
                ]
            },
            "training_data": {
                "reference": f"elec2 rows {rows.start} to {rows.stop}",
                "digest": market.digest(rows.start, rows.stop),
                "rows": len(rows),
                "since": when(rows.start).isoformat(),
                "until": when(rows.stop).isoformat(),
            },
            "lineage": {
                "parents": parents,
                "repository": "urn:modelward:demo",
                "commit": installed("modelward"),
            },
            "card": {
                "summary": "Logistic regression on six variables of the half-hour.",
                "intended_use": "The bidding desk's half-hourly call.",
                "limitations": "Linear; knows nothing of weather or outages.",
                "metrics": {"held_out_accuracy": accuracy(held, market, built.held_out)},
                "documents": [SOURCE],
            },
            "specifics": {
                "kind": "machine_learning",
                "algorithm": "logistic regression",
                "framework": f"numpy {np.__version__}",
            },
        },
    )
    columns: dict[str, list[float]] = market.columns(rows.start, rows.stop)
    columns["score"] = scores.tolist()
    columns["label"] = market.rises[rows.start : rows.stop].tolist()
    cast["dana"].put(
        f"/v1/models/{names.model}/versions/{built.number}/baseline", {"columns": columns}
    )
    return version


def validate(cast: Cast, names: Names, market: Market, built: Built) -> Any:
    """Vic, who took no part in developing, validates on data put apart at the start."""
    rows = built.held_out
    scores = built.model.score(market.inputs[rows.start : rows.stop])
    found = accuracy(scores, market, rows)
    again = build(market, built.number, built.trained, rows).model
    case = cast["dana"].post("/v1/validations", {"model": names.model, "version": built.number})
    evidence = {
        "business_validation": (
            "business",
            {"thresholds_met": 2 * found - 1 >= 0.0, "value_of_a_call": 2 * found - 1},
        ),
        "technical_validation": (
            "technical",
            {
                "holdout_rows": len(rows),
                "accuracy": found,
                "reproducible": again.digest == built.model.digest,
            },
        ),
    }
    verdict: Any = None
    for step, (kind, payload) in evidence.items():
        _record(cast["vic"], case, step, kind, payload)
        _approve(cast["vic"], case, step, f"{kind} validation repeated independently")
        verdict = cast["vic"].post(f"/v1/validations/{case['id']}/steps/{step}:judge")
    return {"accuracy": found, "verdict": verdict, "case": case}


def release(
    cast: Cast,
    names: Names,
    market: Market,
    built: Built,
    say: Callable[[str, Any], None],
    integrate: Callable[[Any], None] | None = None,
) -> Any:
    """Take the six steps; ``say`` is told each verdict. The rehearsal has been sent before.

    Oscar calls the version as the desk will, and signs; ``integrate`` has the server call it too.
    """
    case = cast["dana"].post(
        "/v1/releases",
        {"model": names.model, "version": built.number, "decision_point": names.point},
    )
    # The desk calls the version it has loaded: that no server can test, so Oscar signs for it.
    found = _integration(market, built)
    _sign(cast["oscar"], case, {**found, "endpoint": endpoint_of(names, built)})
    if integrate is not None:
        integrate(case)
    _instantiate(cast, names, market, built, case)
    verdict: Any = None
    for step in (
        "model_release",
        "endpoint_identification",
        "parameter_testing",
        "integration_testing",
        "instantiation_validation",
        "kpi_validation",
    ):
        verdict = cast["oscar"].post(f"/v1/releases/{case['id']}/steps/{step}:judge")
        say(step, verdict)
    return verdict


def try_approval(client: Client, case: Any) -> Problem | None:
    """Approve the governance step; return the refusal if there is one."""
    try:
        _approve(client, case, "management_and_governance", "it is fine, I built it")
    except Problem as problem:
        return problem
    return None


def approve_and_judge(cast: Cast, case: Any) -> None:
    """Carla approves for the production committee, the gates before the swap are judged."""
    _approve(cast["carla"], case, "management_and_governance", "reviewed by the committee")
    for step in ("management_and_governance", "model_activation", "model_deployment"):
        cast["oscar"].post(f"/v1/activations/{case['id']}/steps/{step}:judge")


def judge_after_swap(cast: Cast, case: Any) -> Iterator[tuple[str, Any]]:
    """Have the steps judged whose evidence only production can give; yield each verdict."""
    for step in (
        "application_integration", "production_audit_procedures", "model_tracking_behaviour",
    ):  # fmt: skip
        yield step, cast["oscar"].post(f"/v1/activations/{case['id']}/steps/{step}:judge")


def _record(client: Client, case: Any, step: str, kind: str, payload: dict[str, Any]) -> None:
    client.post(f"/v1/cases/{case['id']}/steps/{step}/evidence", {"kind": kind, "payload": payload})


def _sign(client: Client, case: Any, found: dict[str, Any]) -> None:
    """Submit what an integration test found under a signature, with a key made for it."""
    signer, me = Signer.new(), client.get("/v1/me")
    key = client.post(
        f"/v1/principals/{me['id']}/signing-keys", signer.registration(me["tenant_id"], me["id"])
    )
    step = "integration_testing"
    body = signer.evidence(case["id"], step, "integration", found, key_id=key["id"])
    client.post(f"/v1/cases/{case['id']}/steps/{step}/evidence", body)


def _approve(client: Client, case: Any, step: str, reason: str) -> None:
    client.post(
        f"/v1/cases/{case['id']}/steps/{step}/approvals", {"approved": True, "reason": reason}
    )


def endpoint_of(names: Names, built: Built) -> str:
    """Return what applications are given: the desk has the version loaded, and calls no address."""
    return f"urn:endpoint:{names.model}:{built.number}"


def _integration(market: Market, built: Built) -> dict[str, Any]:
    """Call the version case by case, as the application will; compare with the batch's answer."""
    rows = range(built.held_out.start, built.held_out.start + _CASES)
    expected = built.model.score(market.inputs[rows.start : rows.stop])
    failures, millis = 0, []
    for row, wanted in zip(rows, expected, strict=True):
        started = time.perf_counter()
        got = built.model.score(market.inputs[row : row + 1])[0]
        millis.append((time.perf_counter() - started) * 1000)
        failures += not np.isclose(got, wanted)
    return {
        "cases": len(rows) + 1,
        "failures": failures + _answers_half_a_row(built, market.inputs[:1]),
        "expecting": len(rows),
        "told_apart": not np.isclose(min(expected), max(expected)),
        "bad_cases": 1,
        "requests": len(rows),
        "p99_ms": float(np.quantile(millis, 0.99)),
    }


def _answers_half_a_row(built: Built, row: Floats) -> bool:
    """Say whether the version answers what it should refuse: a row without half of its values."""
    try:
        built.model.score(row[:, : row.shape[1] // 2])
    except ValueError:
        return False
    return True


def _instantiate(cast: Cast, names: Names, market: Market, built: Built, case: Any) -> None:
    """Dana makes an instance for each part of the day, and sends their scores of the same rows."""
    trained = np.arange(built.trained.start, built.trained.stop)
    segment = trained % ROWS_A_DAY * len(_PARTS) // ROWS_A_DAY
    common = market.inputs[built.held_out.start : built.held_out.stop]
    instances = {}
    for number, part in enumerate(_PARTS):
        rows = trained[segment == number]
        own = recalibrated(built.model, market.inputs[rows], market.rises[rows])
        instances[part] = {"segment": {"part_of_day": part}, "scores": own.score(common).tolist()}
        cast["dana"].post(
            f"/v1/models/{names.model}/versions/{built.number}/instances",
            {"key": part, "segment": {"part_of_day": part}},
        )
    cast["oscar"].post(
        f"/v1/releases/{case['id']}/steps/instantiation_validation:sample",
        {"rows": len(common), "tolerance": _TOLERANCE, "instances": instances},
    )
