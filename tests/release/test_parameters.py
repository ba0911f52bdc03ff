from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.release.parameters import report
from app.telemetry import Layout, Tally
from app.telemetry.layout import BARE, fit, score_bins
from app.telemetry.tally import tally

LAYOUT = Layout(
    (
        fit("demand", [1.0, 2.0, 3.0], numeric=True),
        fit("region", ["north", "south"], numeric=False),
        score_bins(),
    )
)
DEMANDS = st.sampled_from([1.0, 2, 3.5, None, "many", float("inf")])
REGIONS = st.sampled_from(["north", "south", "moon", None])


def profile(demands: list[Any], regions: list[Any]) -> Tally:
    codes, values = LAYOUT.place([demands, regions, [None] * len(demands)])
    return tally(codes, values, LAYOUT.size)


def said(found: Tally | None, layout: Layout | None = LAYOUT, hours: float = 1) -> dict[str, Any]:
    return report(layout, found, hours=hours, expected_per_minute=2)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(DEMANDS, REGIONS), min_size=1, max_size=40))
def test_shares_are_of_all_events_and_the_worst_variable_speaks_for_all(
    rows: list[tuple[Any, Any]],
) -> None:
    demands, regions = [row[0] for row in rows], [row[1] for row in rows]

    found = said(profile(demands, regions))

    count = len(rows)
    assert found["variables"] == [
        {
            "name": "demand",
            "null_share": demands.count(None) / count,
            "invalid_share": (demands.count("many") + demands.count(float("inf"))) / count,
            "unseen_share": demands.count(3.5) / count,
        },
        {
            "name": "region",
            "null_share": regions.count(None) / count,
            "invalid_share": 0,
            "unseen_share": regions.count("moon") / count,
        },
    ]
    for share in ("null_share", "invalid_share", "unseen_share"):
        assert found[share] == max(item[share] for item in found["variables"])


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 50), st.floats(0.1, 1000), st.floats(0.01, 1000))
def test_velocity_is_events_a_minute_against_what_the_contract_expects(
    events: int, hours: float, expected: float
) -> None:
    found = report(
        LAYOUT,
        profile([1.0] * events, ["north"] * events),
        hours=hours,
        expected_per_minute=expected,
    )

    assert found["events"] == events
    assert found["events_per_minute"] == pytest.approx(events / (hours * 60))
    assert found["velocity_ratio"] == pytest.approx(events / (hours * 60) / expected)


@pytest.mark.parametrize("layout", [None, LAYOUT, BARE])
def test_without_events_there_is_nothing_but_zero(layout: Layout | None) -> None:
    for found in (None, Tally.empty(layout.size if layout else 1, 1)):
        assert said(found, layout) == {
            "events": 0,
            "events_per_minute": 0,
            "velocity_ratio": 0,
            "null_share": 0,
            "invalid_share": 0,
            "unseen_share": 0,
            "variables": [],
        }


def test_events_of_no_time_at_all_have_no_velocity() -> None:
    found = said(profile([1.0], ["north"]), hours=0)

    assert (found["events"], found["velocity_ratio"]) == (1, 0)


def test_the_score_is_no_parameter() -> None:
    names = [item["name"] for item in said(profile([1.0], ["north"]))["variables"]]

    assert names == ["demand", "region"]
