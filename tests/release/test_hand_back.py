import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.gates import WayOut
from app.kit.names import NAME
from app.release.effect import METRICS, measured, observed
from app.release.hand_back import findings, todos

BACK = sorted(set(WayOut) - {WayOut.DELIVERS})
EVIDENCE: dict[str, Any] = {
    "drift": {"variables": 4, "drifting": ["demand", "net price"], "severe": ["demand"]},
    "performance": {"accuracy": 0.61, "labelled": 900, "reference": {"accuracy": 0.75}},
    "kpi": {
        "measured": [
            {"key": "value", "name": "Value", "value": -1.25, "threshold": 0.5, "unit": "AUD"},
            {"key": "calls", "name": "Calls", "value": 3.0, "threshold": 2.0, "unit": "1"},
        ],
        "missed": ["value"],
    },
    "contract": {"mismatches": []},
}


def tasks(path: WayOut, evidence: dict[str, Any]) -> list[Any]:
    return todos(path, findings({"evidence": evidence}), model="price", number=3)


def test_findings_are_what_led_here_and_nothing_else() -> None:
    assert set(findings({"evidence": EVIDENCE})) == {"drift", "performance", "kpi"}
    assert findings({}) == {}


def test_data_drift_names_every_variable_and_how_it_drifts() -> None:
    found = {item.key: item for item in tasks(WayOut.DATA_DRIFT, EVIDENCE)}
    assert "demand" in found["variable.1"].title
    assert "severely" in found["variable.1"].why
    assert "net price" in found["variable.2"].title
    assert "persistently" in found["variable.2"].why
    assert "2 of 4" in found["acquire_data"].why


def test_business_drift_names_the_missed_kpi_with_both_figures() -> None:
    found = {item.key: item for item in tasks(WayOut.BUSINESS_DRIFT, EVIDENCE)}
    assert "kpi.calls" not in found
    assert "-1.25 AUD" in found["kpi.value"].why
    assert "0.5" in found["kpi.value"].why


def test_mathematical_drift_holds_accuracy_against_its_reference() -> None:
    (first, *_) = tasks(WayOut.MATHEMATICAL_DRIFT, EVIDENCE)
    assert "0.61" in first.why
    assert "0.75" in first.why


@pytest.mark.parametrize("path", BACK)
def test_what_a_person_said_is_not_told_as_if_it_was_measured(path: WayOut) -> None:
    first = tasks(path, {})[0]

    assert "`said`" in first.why


def test_a_calls_point_is_filled_in() -> None:
    found = todos(WayOut.BUSINESS_DRIFT, EVIDENCE, model="price", number=3, point="dispatch")

    assert "PUT /v1/decision-points/dispatch/kpis/value" in {item.call for item in found}


@pytest.mark.parametrize("path", BACK)
def test_every_list_ends_with_the_next_version_and_knows_how(path: WayOut) -> None:
    for evidence in (EVIDENCE, {}):
        found = tasks(path, evidence)
        assert len(found) >= 3
        assert found[-1].call == "POST /v1/models/price/versions"
        assert found[-2].call == "POST /v1/procedures"


@given(names=st.lists(st.text(min_size=1, max_size=128), unique=True, max_size=60))
def test_keys_can_stand_in_a_url_and_are_unique(names: list[str]) -> None:
    evidence = {"drift": {"variables": 60, "drifting": names, "severe": []}}
    keys = [item.key for item in tasks(WayOut.DATA_DRIFT, evidence)]
    assert len(set(keys)) == len(keys)
    assert all(re.match(NAME, key) for key in keys)


@pytest.mark.parametrize(
    ("metric", "value"),
    [("accuracy", 0.61), ("drift_share", None), ("kpi.value", -1.25), ("kpi.none", None)],
)
def test_a_metric_is_read_from_the_evidence(metric: str, value: float | None) -> None:
    assert re.match(METRICS, metric)
    assert measured(metric, EVIDENCE) == value
    assert measured(metric, {}) is None


@given(
    by=st.floats(-1, 1),
    before=st.none() | st.floats(-1, 1),
    after=st.none() | st.floats(-1, 1),
)
def test_an_effect_is_met_when_it_went_as_far_in_its_direction(
    by: float, before: float | None, after: float | None
) -> None:
    found = observed({"metric": "accuracy", "by": by}, before, after)
    if before is None or after is None:
        assert (found["change"], found["met"]) == (None, None)
    elif by >= 0:
        assert found["met"] == (after - before >= by)
    else:
        assert found["met"] == (before - after >= -by)
