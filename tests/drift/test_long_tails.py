"""Categories by the thousand: a healthy tail is silent, what is new and frequent is not."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from app.drift.rules import Thresholds, compare
from app.drift.statistics import merged
from app.kit.arrays import Floats
from app.telemetry.layout import fit
from tests.drift.shapes import Column, laid_out, profile

Draw = Callable[[np.random.Generator, int], Column]


def tail(kinds: int, power: float) -> Draw:
    """Return categories whose shares fall as 1/rank**power (Zipf, 1949)."""
    chances: Floats = 1 / np.arange(1, kinds + 1) ** power
    names = np.array([f"c{one}" for one in range(kinds)])

    def draw(rng: np.random.Generator, rows: int) -> Column:
        return names[rng.choice(kinds, rows, p=chances / chances.sum())]

    return draw


def windows(
    draw: Draw, seed: int, baseline: int, rows: int, *, new: float = 0.0, baselines: int = 20
) -> Iterator[dict[str, Any]]:
    """Compare ten windows with each of several baselines; a share ``new`` of them is one value."""
    rng = np.random.default_rng(seed)
    for _ in range(baselines):
        column = draw(rng, baseline)
        layout = laid_out([column])
        before = profile(layout, [column])
        for _ in range(10):
            window = draw(rng, rows)
            window[rng.random(rows) < new] = "new"
            yield compare(layout, before, profile(layout, [window]), Thresholds())[0]


@pytest.mark.parametrize("rows", [500, 5_000])
@pytest.mark.parametrize("baseline", [1_000, 5_000])
@pytest.mark.parametrize(
    "draw",
    [tail(5_000, 1.0), tail(1_000, 1.0), tail(300, 0.5), tail(20_000, 0.0), tail(250, 0.0)],
    ids=["zipf 5,000", "zipf 1,000", "flat tail of 300", "20,000 alike", "250 alike"],
)
def test_a_long_tail_that_stays_as_it_is_does_not_drift(
    draw: Draw, baseline: int, rows: int
) -> None:
    found = list(windows(draw, 1, baseline, rows))

    assert np.mean([row["drifts"] for row in found]) <= 0.02
    # A notice: q < .01 of a single variable here, and a baseline is used ten times.
    assert np.mean([row["shifts"] for row in found]) <= 0.05


@pytest.mark.parametrize("baseline", [100, 300])
def test_of_a_small_baseline_a_long_tail_hardly_ever_drifts(baseline: int) -> None:
    found = list(windows(tail(5_000, 1.0), 2, baseline, 2_000))

    assert np.mean([row["drifts"] for row in found]) <= 0.02
    assert not any(row["severe"] for row in found)


@pytest.mark.parametrize(
    ("draw", "new", "what"),
    [
        (tail(20, 0.0), 0.1, "drifts"),
        (tail(200, 1.8), 0.2, "drifts"),
        (tail(1_000, 1.0), 0.4, "drifts"),
        (tail(1_000, 1.0), 0.2, "shifts"),
        (tail(5_000, 1.0), 0.3, "shifts"),
    ],
)
def test_a_new_category_that_is_frequent_is_found(draw: Draw, new: float, what: str) -> None:
    found = list(windows(draw, 3, 5_000, 2_000, new=new, baselines=4))

    assert np.mean([row[what] for row in found]) >= 0.95
    assert min(row["unseen_share"] for row in found) > new / 2


def test_categories_are_compared_without_what_is_seldom_and_numbers_as_they_are() -> None:
    of_words = fit("x", ["a"] * 50 + ["b"] * 40 + ["c"] * 4 + [None] * 6, numeric=False)
    one, two = np.array([50, 40, 4, 0, 0, 6]), np.array([30, 30, 2, 0, 20, 8])

    expected, actual = merged(of_words, one, two)

    assert expected.tolist() == [50, 40, 6, 4]
    assert actual.tolist() == [30, 30, 8, 22]
    of_numbers = fit("x", [1.0, 1.0, 2.0], numeric=True)
    assert merged(of_numbers, one, two) == (one, two)


def test_a_rest_that_luck_explains_is_granted_and_no_more() -> None:
    of_words = fit("x", [f"c{i}" for i in range(20) for _ in range(5)], numeric=False)
    seen = np.array([5] * 20 + [0, 0, 0])

    granted, _ = merged(of_words, seen, np.array([4] * 20 + [0, 20, 0]))
    alike, _ = merged(of_words, seen, seen)
    most, _ = merged(of_words, seen, np.array([0] * 20 + [0, 100, 0]))

    assert granted == pytest.approx([4.0] * 20 + [0, 20.0])
    assert alike == pytest.approx([5.0] * 20 + [0, 0.0])
    # Five rows each of twenty places and two deviations of that, over a span of two.
    assert most[-1] == pytest.approx(5 * (20 + 2 * 20**0.5) / 2)
    assert granted.sum() == most.sum() == pytest.approx(100)
