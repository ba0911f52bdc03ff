"""Versions without a baseline: judged by what was looked at, never by what was not."""

from typing import Any

import pytest

from app.telemetry import JSON_LINES
from tests.live import (
    Live,
    Place,
    make_model,
    make_point,
    make_version,
    rehearse,
    unique,
    validate,
)
from tests.release.samples import encoded, judged, open_release, rows, send
from tests.signing import submit_signed

PARAMETERS, KPIS = "parameter_testing", "kpi_validation"


@pytest.fixture(scope="module")
def case(live: Live) -> Any:
    """The release of a rule set, which was rehearsed."""
    model = unique("model")
    live["dev"].post(
        "/v1/models",
        {"name": model, "kind": "rule_set", "risk_tier": "low", "owner": "dev", "purpose": "It"},
    )
    made = live["dev"].post(
        f"/v1/models/{model}/versions",
        {
            "source": f"urn:model:{model}",
            "digest": "sha256:" + "0" * 64,
            "signature": {"inputs": [{"name": "x"}]},
            "training_data": {"reference": "none, it was written"},
            "card": {"summary": "A test.", "intended_use": "A test."},
            "specifics": {
                "kind": "rule_set", "language": "dmn", "rule_count": 2,
                "conflict_resolution": "first",
            },
        },
    )  # fmt: skip
    place = Place(model, make_point(live), made["number"])
    validate(live, model, place.version)
    rehearse(live, place)
    return open_release(live, place)


def unmet(verdict: Any) -> dict[str, Any]:
    return {item["rule"]: item for item in verdict["results"] if not item["passed"]}


def test_a_rehearsal_that_was_not_profiled_opens_nothing_and_a_sample_does(
    live: Live, case: Any
) -> None:
    rehearsed = judged(live, case, PARAMETERS)
    garbage = [{"at": row["at"], "x": "n/a"} for row in rows(700)]
    send(live, case, encoded(garbage, JSON_LINES), JSON_LINES, time_column="at")
    unreadable = judged(live, case, PARAMETERS)
    good = [{**row, "x": row["x"] or 0.0} for row in rows(550)]
    sent = send(live, case, encoded(good, JSON_LINES), JSON_LINES, time_column="at")
    fine = judged(live, case, PARAMETERS)

    found = rehearsed["facts"]["evidence"]["parameters"]
    assert (found["source"], found["events"]) == ("rehearsal", 600)
    assert found["null_share"] is found["invalid_share"] is found["variables"] is None
    closed = unmet(rehearsed)["quality"]
    assert "send a sample" in closed["reason"]
    assert any(call.endswith("parameter_testing:sample") for call in closed["mend"])
    assert sent.status_code == 201, sent.text
    assert unreadable["facts"]["evidence"]["parameters"]["invalid_share"] == 1
    assert not unreadable["passed"]
    # Fewer rows than were rehearsed, and yet more is known of them.
    assert fine["passed"], fine["results"]
    assert unmet(fine) == {}
    known = fine["facts"]["evidence"]["parameters"]
    assert (known["against"], known["events"], known["velocity_ratio"]) == (
        "signature", 550, pytest.approx(1),
    )  # fmt: skip
    assert known["drifting"] is None


def test_nobody_signs_what_the_server_alone_measures(live: Live, case: Any) -> None:
    sent = [{**row, "x": None} for row in rows(600)]
    send(live, case, encoded(sent, JSON_LINES), JSON_LINES, time_column="at")
    invented = {"events": 10**6, "null_share": 0.0, "invalid_share": 0.0, "velocity_ratio": 1.0}
    submit_signed(live["dev"], case, PARAMETERS, "parameters", invented)

    verdict = judged(live, case, PARAMETERS)

    assert verdict["facts"]["evidence"]["parameters"]["null_share"] == 1
    assert not verdict["passed"]


def test_it_says_of_drift_that_nothing_was_compared(live: Live, case: Any) -> None:
    verdict = judged(live, case, KPIS)

    drift = verdict["facts"]["evidence"]["drift"]
    assert (drift["windows"], drift["variables"]) == (1, 0)
    assert drift["share"] is drift["severe_share"] is drift["drifting"] is drift["severe"] is None
    assert "inputs_compared" not in unmet(verdict)


def test_a_learnt_model_that_was_hardly_rehearsed_was_not_compared(live: Live) -> None:
    model = make_model(live)
    place = Place(model, make_point(live), make_version(live, model))
    validate(live, model, place.version)
    rehearse(live, place, rows=20, shift=9)
    case = open_release(live, place)

    verdict = judged(live, case, KPIS)

    assert set(unmet(verdict)) == {"inputs_compared"}
    assert verdict["path"] is None
    assert not verdict["passed"]
