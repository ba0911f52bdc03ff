import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.catalog import Signature
from app.drift import Thresholds
from app.release.expected import layout_of
from app.release.parameters import Pace, Source, again, inputs_only, look, report
from app.telemetry import Layout, RowTable, Tally
from app.telemetry.layout import BARE, fit, score_bins
from app.telemetry.tally import tally

LAYOUT = Layout(
    (
        fit("demand", [1.0, 2.0, 3.0], numeric=True),
        fit("region", ["north", "south"], numeric=False),
        score_bins(),
    )
)
DEMANDS = st.sampled_from([1.0, 2, 3.5, None, "many", float("inf"), True])
REGIONS = st.sampled_from(["north", "south", "moon", None, 7])
ROWS = st.lists(st.tuples(DEMANDS, REGIONS), min_size=1, max_size=40)


def profile(demands: list[Any], regions: list[Any]) -> Tally:
    codes, values = LAYOUT.place([demands, regions, [None] * len(demands)])
    return tally(codes, values, LAYOUT.size)


BASELINE = profile([1.0, 2.0, 3.0] * 100, ["north", "south", "north"] * 100)


def said(
    found: Tally | None, layout: Layout | None = LAYOUT, hours: float = 1, **more: Any
) -> dict[str, Any]:
    events = found.n if found else 0
    pace = Pace(events, events / (hours * 60) if hours else 0.0, 2)
    baseline = BASELINE if layout is LAYOUT else Tally.empty(BARE.size, 1)
    return report(
        layout, baseline, found,
        pace=pace, limits=Thresholds(), source=Source.REHEARSAL, **more,
    )  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(ROWS)
def test_shares_are_of_all_events_and_the_worst_variable_speaks_for_all(
    rows: list[tuple[Any, Any]],
) -> None:
    demands, regions = [row[0] for row in rows], [row[1] for row in rows]

    found = said(profile(demands, regions))

    count = len(rows)
    bad = sum(one in ("many", float("inf")) or one is True for one in demands)
    shares = [
        [item[f"{what}_share"] for what in ("null", "invalid", "unseen")]
        for item in found["variables"]
    ]
    assert shares == [
        [demands.count(None) / count, bad / count, demands.count(3.5) / count],
        [regions.count(None) / count, 0, sum(one in {"moon", 7} for one in regions) / count],
    ]
    for share in ("null_share", "invalid_share", "unseen_share"):
        assert found[share] == max(item[share] for item in found["variables"])


@settings(max_examples=150, deadline=None)
@given(ROWS)
def test_a_table_is_profiled_as_the_events_would_have_been(rows: list[tuple[Any, Any]]) -> None:
    demands, regions = [row[0] for row in rows], [row[1] for row in rows]
    table = RowTable([{"demand": one, "region": other} for one, other in rows])

    looked = look(LAYOUT, table)

    _, expected = inputs_only(LAYOUT, profile(demands, regions))
    assert looked.profile.n == expected.n
    assert looked.profile.counts.tolist() == expected.counts.tolist()
    assert np.allclose(looked.profile.sums, expected.sums)
    assert np.allclose(looked.profile.moments, expected.moments)
    named = {item["value"]: item["count"] for item in looked.notes["region"]["unseen"]}
    assert named == {
        name: regions.count(value)
        for name, value in (("moon", "moon"), ("7", 7))
        if value in regions
    }


def test_what_is_missing_and_what_nobody_asked_for_is_named() -> None:
    looked = look(LAYOUT, RowTable([{"demand": 1.0, "at": "x", "extra": 1}]), aside=["at"])

    assert (looked.missing, looked.unexpected) == (["region"], ["extra"])
    found = report(
        LAYOUT, BASELINE, looked.profile,
        pace=Pace(1, None, 2), limits=Thresholds(), source=Source.SAMPLE, notes=looked.notes,
    )  # fmt: skip
    assert found["variables"][1]["null_share"] == 1
    assert found["variables"][1]["found"] is None
    assert found["variables"][0]["found"] == "number"
    assert found["velocity_ratio"] is None


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 50), st.floats(0.1, 1000), st.floats(0.01, 1000))
def test_velocity_is_events_a_minute_against_what_the_contract_expects(
    events: int, minutes: float, expected: float
) -> None:
    times = np.linspace(0, minutes * 60, events + 1)

    found = Pace.of(times, len(times), expected)

    assert found.events == events + 1
    assert found.per_minute == pytest.approx(events / minutes)
    kept = said(BASELINE)
    assert again(kept, kept["expected_per_minute"]) is None
    changed = again(kept, expected * 7)
    assert changed is not None
    assert changed["velocity_ratio"] == pytest.approx(kept["events_per_minute"] / expected / 7)


def test_rows_of_no_time_have_no_pace() -> None:
    for times in ([], [1.0], [1.0, 1.0], [np.nan, np.nan, 3.0]):
        assert Pace.of(np.array(times, dtype=np.float64), 5, 1.0).per_minute is None


@pytest.mark.parametrize("layout", [None, LAYOUT, BARE])
def test_of_what_did_not_come_nothing_is_known(layout: Layout | None) -> None:
    for found in (None, Tally.empty(layout.size if layout else 1, 1)):
        said_of_it = said(found, layout)

        assert said_of_it["events"] == said_of_it["velocity_ratio"] == 0
        for unknown in (
            "against", "null_share", "invalid_share", "unseen_share", "drifting", "severe",
            "out_of_range", "variables",
        ):  # fmt: skip
            assert said_of_it[unknown] is None, unknown


def test_events_whose_inputs_were_not_profiled_are_counted_and_no_more() -> None:
    said_of_it = said(profile([1.0] * 600, ["north"] * 600), None)

    assert said_of_it["events"] == 600
    assert said_of_it["null_share"] is said_of_it["drifting"] is said_of_it["variables"] is None


SIGNED = Signature.model_validate(
    {
        "inputs": [
            {"name": "demand"},
            {"name": "level"},
            {"name": "region", "type": "category"},
            {"name": "road", "type": "category"},
        ],
        "input_schema": {
            "type": "object",
            "properties": {
                "level": {"enum": [1, 2, 3]},
                "region": {"$ref": "#/$defs/region"},
            },
            "$defs": {"region": {"enum": ["north", "south", True, None]}},
        },
    }
)


def test_without_a_baseline_the_signature_says_what_input_is() -> None:
    layout = layout_of(SIGNED)
    sent: list[dict[str, Any]] = [
        {"demand": 5e9, "level": 2, "region": "north", "road": "A1"},
        {"demand": None, "level": 7, "region": True, "road": "B7"},
        {"demand": "many", "level": 1, "region": "moon", "road": None},
        {"demand": 1.0, "level": 3, "region": None, "road": "A1"},
    ]
    looked = look(layout, RowTable(sent))

    found = report(
        layout, None, looked.profile, notes=looked.notes,
        pace=Pace(4, 2.0, 2), limits=Thresholds(), source=Source.SAMPLE,
    )  # fmt: skip

    shares = {
        item["name"]: [item[f"{what}_share"] for what in ("null", "invalid", "unseen")]
        for item in found["variables"]
    }
    assert shares == {
        "demand": [0.25, 0.25, None],
        "level": [0, 0, 0.25],
        "region": [0.25, 0, 0.25],
        "road": [0.25, 0, None],
    }
    assert [item["unseen"] for item in found["variables"]] == [
        None, [{"value": "7.0", "count": 1}], [{"value": "moon", "count": 1}], None,
    ]  # fmt: skip
    assert (found["against"], found["unseen_share"], found["velocity_ratio"]) == (
        "signature", 0.25, 1,
    )  # fmt: skip
    assert found["drifting"] is found["severe"] is found["out_of_range"] is None
    for item in found["variables"]:
        assert item["js"] is item["q_value"] is item["drifts"] is item["baseline_min"] is None
    assert found["variables"][0]["max"] == 5e9
    assert json.dumps(found, allow_nan=False)


def test_the_score_is_no_parameter() -> None:
    names = [item["name"] for item in said(profile([1.0], ["north"]))["variables"]]

    assert names == ["demand", "region"]


def test_drift_and_range_are_told_by_variable() -> None:
    moved = said(profile([3.0] * 600 + [9.0], ["north", "south", "north"] * 200 + ["south"]))

    assert moved["drifting"] == ["demand"]
    assert moved["out_of_range"] == ["demand"]
    demand = moved["variables"][0]
    assert (demand["min"], demand["max"]) == (3, 9)
    assert (demand["baseline_min"], demand["baseline_max"]) == (1, 3)
    assert demand["js"] >= 0.1
    assert json.dumps(moved, allow_nan=False)


def test_few_rows_are_measured_and_never_drift() -> None:
    assert said(profile([3.0] * 100, ["south"] * 100))["drifting"] == []
