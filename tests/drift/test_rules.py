from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.drift.rules import Thresholds, compare, inputs_of, persistent, with_season
from app.telemetry import Layout, Tally
from app.telemetry.layout import SCORE, fit, score_bins
from app.telemetry.tally import tally

LIMITS = Thresholds()
LAYOUT = Layout(
    (
        fit("kind", ["a", "b", "c", "d"], numeric=False),
        fit("x", [1.0, 2.0, 3.0], numeric=True),
        score_bins(),
    )
)
NAMES = ["kind", "x", SCORE]


def profile(kinds: list[int], numbers: list[int], scores: list[float | None]) -> Tally:
    """Return the profile of counts of the four kinds and the three numbers."""
    columns: list[list[Any]] = [
        [name for name, count in zip("abcd", kinds, strict=True) for _ in range(count)],
        [value for value, count in zip((1, 2, 3), numbers, strict=True) for _ in range(count)],
        scores,
    ]
    codes, values = LAYOUT.place(columns)
    return tally(codes, values, LAYOUT.size)


def even(rows: int, score: float | None = 0.5) -> Tally:
    return profile([rows // 4] * 4, [rows // 2, rows // 4, rows // 4], [score] * rows)


def by_name(window: Tally, baseline: Tally, limits: Thresholds = LIMITS) -> dict[str, Any]:
    found = compare(LAYOUT, baseline, window, limits)
    assert [item["name"] for item in found] == NAMES
    return {item["name"]: item for item in found}


@st.composite
def windows(draw: st.DrawFn) -> Tally:
    kinds = draw(st.lists(st.integers(0, 900), min_size=4, max_size=4).filter(any))
    rows = sum(kinds)
    first = draw(st.integers(0, rows))
    second = draw(st.integers(0, rows - first))
    score = draw(st.sampled_from([0.1, 0.5, None]))
    return profile(kinds, [first, second, rows - first - second], [score] * rows)


@settings(max_examples=60, deadline=None)
@given(windows())
def test_drift_is_significant_and_large_in_a_window_of_enough_rows(window: Tally) -> None:
    for item in by_name(window, even(4000)).values():
        large = item["js"] >= LIMITS.js or item["psi"] >= LIMITS.psi
        significant = item["q_value"] < LIMITS.q
        assert item["drifts"] is (large and significant and window.n >= LIMITS.min_rows)


@settings(max_examples=60, deadline=None)
@given(windows())
def test_severe_drift_is_drift_of_at_least_its_own_size(window: Tally) -> None:
    for item in by_name(window, even(4000)).values():
        assert item["severe"] is (item["drifts"] and item["js"] >= LIMITS.severe_js)


def test_significant_and_small_is_no_drift() -> None:
    moved = profile([27_000, 25_000, 24_000, 24_000], [50_000, 25_000, 25_000], [0.5] * 100_000)

    kind = by_name(moved, even(100_000))["kind"]

    assert kind["q_value"] < 1e-6
    assert not kind["drifts"]


def test_large_and_insignificant_is_no_drift() -> None:
    limits = replace(LIMITS, min_rows=1)

    kind = by_name(profile([2, 0, 0, 0], [1, 1, 0], [0.5] * 2), even(4000), limits)["kind"]

    assert kind["js"] > LIMITS.js
    assert not kind["drifts"]


@pytest.mark.parametrize(("rows", "drifts"), [(499, False), (500, True)])
def test_fewer_than_the_least_rows_are_measured_and_never_drift(
    rows: int,
    drifts: bool,  # noqa: FBT001 - a table's column
) -> None:
    kind = by_name(profile([rows, 0, 0, 0], [rows, 0, 0], [0.5] * rows), even(4000))["kind"]

    assert kind["js"] > LIMITS.js
    assert kind["q_value"] < LIMITS.q
    assert kind["drifts"] is drifts


def test_a_window_that_lies_where_the_baseline_never_was_is_severe() -> None:
    gone = profile([0, 0, 0, 600], [0, 0, 600], [0.5] * 600)

    found = by_name(gone, profile([2000, 0, 0, 0], [2000, 0, 0], [0.5] * 2000))

    assert found["kind"]["severe"]
    assert found["x"]["severe"]
    assert not found[SCORE]["drifts"]


def test_two_samples_of_one_distribution_hardly_ever_drift() -> None:
    rng = np.random.default_rng(4)
    baseline = even(4000)
    quarters, thirds = [0.25] * 4, [0.5, 0.25, 0.25]

    drifting = 0
    for _ in range(200):
        kinds, numbers = rng.multinomial(500, quarters), rng.multinomial(500, thirds)
        window = profile(kinds.tolist(), numbers.tolist(), [0.5] * 500)
        drifting += sum(item["drifts"] for item in by_name(window, baseline).values())

    assert drifting == 0


def test_the_score_stands_apart_from_the_inputs() -> None:
    found = compare(LAYOUT, even(4000), even(1000, score=0.9), LIMITS)

    assert [item["name"] for item in found if item["drifts"]] == [SCORE]
    assert [item["name"] for item in inputs_of(found)] == NAMES[:-1]


def test_a_score_the_baseline_never_held_has_nothing_to_drift_from() -> None:
    assert not by_name(even(1000), even(4000, score=None))[SCORE]["drifts"]


HISTORIES = st.lists(st.sets(st.sampled_from("abc")), max_size=6)


@settings(max_examples=200, deadline=None)
@given(HISTORIES)
def test_an_alert_is_what_two_of_the_last_three_windows_say(history: list[set[str]]) -> None:
    said = "".join(name for window in history[-3:] for name in sorted(window))

    assert persistent(history, LIMITS) == {name for name in "abc" if said.count(name) >= 2}


@settings(max_examples=100, deadline=None)
@given(HISTORIES, st.integers(1, 5), st.integers(1, 5))
def test_hits_and_windows_are_the_monitors_to_choose(
    history: list[set[str]], hits: int, of: int
) -> None:
    found = persistent(history, replace(LIMITS, hits=hits, of=of))

    for name in "abc":
        assert (name in found) == (sum(name in window for window in history[-of:]) >= hits)


def test_a_rhythm_drifts_from_the_baseline_and_not_from_its_season() -> None:
    rng = np.random.default_rng(21)
    layout = Layout((fit("x", rng.normal(size=5000).tolist(), numeric=True), score_bins()))

    def profile(shift: float) -> Tally:
        values = (rng.normal(size=2000) + shift).tolist()
        return tally(*layout.place([values, [None] * 2000]), layout.size)

    window = profile(1.5)
    rows = compare(layout, profile(0.0), window, Thresholds())

    (x, _) = with_season(rows, layout, profile(1.5), window, Thresholds())
    (gone, _) = with_season(rows, layout, profile(0.0), window, Thresholds())
    (few, _) = with_season(rows, layout, None, window, Thresholds())

    assert x["drifts"]
    assert not x["seasonal"]["drifts"]
    assert gone["seasonal"]["drifts"]
    assert few["seasonal"] is None


@pytest.mark.parametrize("empty", ["window", "baseline"])
def test_what_has_no_values_went_missing_and_nobody_says_how_far_they_moved(empty: str) -> None:
    rng = np.random.default_rng(22)
    numbers = rng.normal(size=2000)
    layout = Layout(
        (
            fit("x", numbers.tolist(), numeric=True),
            fit("kind", ["a", "b"], numeric=False),
            score_bins(),
        )
    )

    def profile(share: float) -> Tally:
        gone = int(2000 * share)
        values = [None] * gone + rng.normal(size=2000 - gone).tolist()
        kinds = [None] * gone + rng.choice(["a", "b"], 2000 - gone).tolist()
        return tally(*layout.place([values, kinds, [0.5] * 2000]), layout.size)

    sides = {"baseline": profile(0.0), "window": profile(0.0), empty: profile(1.0)}
    x, kind, _ = compare(layout, sides["baseline"], sides["window"], LIMITS)
    half, *_ = compare(layout, profile(0.0), profile(0.5), LIMITS)

    assert (x["ks"], x["wasserstein"], x["shift_effect"], x["shift_q"]) == (None,) * 4
    assert x["js_values"] is kind["js_values"] is None
    assert not x["shifts"]
    assert x["drifts"], "by its nulls, which it is told beside"
    assert kind["drifts"]
    assert x["null_share"] == (1.0 if empty == "window" else 0.0)
    # Half of them missing, and the other half as they were.
    assert half["drifts"]
    assert half["js_values"] < 0.02
    assert half["ks"] < 0.06
    assert not half["shifts"]
