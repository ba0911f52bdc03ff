from typing import Any

import numpy as np
import pytest

from app.drift.rules import Thresholds, compare, persistent
from tests.drift.shapes import SHAPES, laid_out, normal, profile, table

LIMITS = Thresholds()


def alarms(history: list[list[dict[str, Any]]]) -> list[set[str]]:
    """Return what drifts or shifts at each window, persistence considered."""
    said = [
        [{row["name"] for row in window if row[what]} for window in history]
        for what in ("drifts", "shifts")
    ]
    return [
        persistent(said[0][: upto + 1], LIMITS) | persistent(said[1][: upto + 1], LIMITS)
        for upto in range(len(history))
    ]


FEATURES = (SHAPES * 9)[:50]


def stationary(seed: int, baseline: int, windows: int = 60) -> float:
    """Return the share of windows with any alarm of 50 features that stay as they are."""
    rng = np.random.default_rng(seed)
    base = table(FEATURES, rng, baseline)
    layout = laid_out(base)
    before = profile(layout, base)
    history = [
        compare(layout, before,
                profile(layout, table(FEATURES, rng, int(rng.integers(500, 5_001)))), LIMITS)
        for _ in range(windows)
    ]  # fmt: skip
    return sum(map(bool, alarms(history))) / windows


def found_within_three(seed: int, baseline: int, by: float = 0.1) -> bool:
    """Say whether one of 50 features, moved by ``by``, is found by the third window."""
    rng = np.random.default_rng(seed)
    base = table((normal,) * 50, rng, baseline)
    layout = laid_out(base)
    before = profile(layout, base)
    history = []
    for _ in range(3):
        window = table((normal,) * 50, rng, 5_000)
        window[7] += by
        history.append(compare(layout, before, profile(layout, window), LIMITS))
    return "x7" in alarms(history)[-1]


def test_fifty_features_that_stay_as_they_are_give_hardly_an_alarm() -> None:
    found = [stationary(seed, 5_000, windows=20) for seed in range(2)]

    assert np.mean(found) <= 0.02


def test_a_tenth_of_a_standard_deviation_is_found_within_three_windows() -> None:
    assert all(found_within_three(seed, 20_000) for seed in range(8))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("baseline", [5_000, 20_000])
def test_at_most_two_in_a_hundred_windows_alarm_where_nothing_changes(baseline: int) -> None:
    found = [stationary(seed, baseline) for seed in range(12)]

    assert np.mean(found) <= 0.02


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("baseline", "runs", "least"),
    [(5_000, 150, 0.88), (10_000, 100, 0.96), (20_000, 60, 0.98)],
)
def test_a_small_shift_is_found_as_often_as_the_baselines_own_error_lets_it(
    baseline: int, runs: int, least: float
) -> None:
    found = [found_within_three(seed, baseline) for seed in range(runs)]

    assert np.mean(found) >= least
