from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, norm, rankdata

from app.drift.rules import Thresholds, compare
from app.drift.shifting import LEAST, homogeneity, location, shift
from app.kit.arrays import Ints
from app.telemetry import Bins, Tally
from app.telemetry.layout import fit
from tests.drift.shapes import SHAPES, Draw, laid_out, profile

LIMITS = Thresholds()


@st.composite
def counts(draw: st.DrawFn) -> tuple[Ints, Ints]:
    size = draw(st.integers(2, 12))
    sides = [
        np.array(draw(st.lists(st.integers(0, 200), min_size=size, max_size=size)), np.int64)
        for _ in range(2)
    ]
    assume(all(side.any() for side in sides))
    return sides[0], sides[1]


@settings(max_examples=100, deadline=None)
@given(counts())
def test_the_test_of_place_is_van_der_waerdens_on_rows(pair: tuple[Ints, Ints]) -> None:
    rows = [np.repeat(np.arange(len(side)), side) for side in pair]
    both = np.concatenate(rows)
    assume(len(np.unique(both)) > 1)
    scores = norm.ppf((rankdata(both) - 0.5) / len(both))
    scores = scores - scores.mean()
    n, m = map(len, rows)
    variance = n * m / (n + m) / (n + m - 1) * (scores**2).sum()
    z = scores[n:].sum() / np.sqrt(variance)

    found = location(*pair)

    assert found.p_value == pytest.approx(2 * norm.sf(abs(z)), rel=1e-6, abs=1e-12)
    assert found.effect * z >= 0 or abs(z) < 1e-9


@settings(max_examples=100, deadline=None)
@given(counts())
def test_a_shift_back_is_as_large_as_the_shift(pair: tuple[Ints, Ints]) -> None:
    there, back = location(*pair), location(*pair[::-1])
    mirrored = location(*(side[::-1] for side in pair))

    assert there.effect == pytest.approx(-back.effect, abs=1e-9)
    assert there.effect == pytest.approx(-mirrored.effect, abs=1e-9)
    assert there.p_value == pytest.approx(back.p_value, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(counts())
def test_categories_without_rare_ones_are_tested_by_scipys_chi_square(
    pair: tuple[Ints, Ints],
) -> None:
    one, two = (side + 20 for side in pair)
    both = one + two
    assume((both * min(one.sum(), two.sum()) / both.sum() >= 5).all())
    expected: Any = chi2_contingency(np.stack([one, two]), correction=False)

    found = homogeneity(one, two)

    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("draw", SHAPES)
@pytest.mark.parametrize("rows", [500, 5_000])
def test_p_values_of_no_shift_are_what_they_say(draw: Draw, rows: int) -> None:
    rng = np.random.default_rng(rows)
    p_values = []
    for _ in range(40):
        base = draw(rng, 5_000)
        layout = laid_out([base])
        before = profile(layout, [base])
        p_values += [
            shift(*layout.spans()[0], before, profile(layout, [draw(rng, rows)])).p_value
            for _ in range(10)
        ]

    # Ten windows share a baseline, so that the shares wander more than 400 draws would.
    assert np.mean(np.array(p_values) < 0.05) <= 0.12
    assert np.mean(np.array(p_values) < 0.001) <= 0.01


def test_many_rare_categories_give_no_alarm_by_being_rare() -> None:
    rng = np.random.default_rng(2)
    chances = 1 / np.arange(1, 101) ** 2.0
    chances /= chances.sum()

    p_values = np.array(
        [
            homogeneity(rng.multinomial(5_000, chances), rng.multinomial(500, chances)).p_value
            for _ in range(3000)
        ]
    )

    assert np.mean(p_values < 0.05) == pytest.approx(0.05, abs=0.02)
    assert np.mean(p_values < 2e-4) <= 2e-3


def test_a_new_category_is_a_shift_where_there_was_no_long_tail() -> None:
    rng = np.random.default_rng(3)
    base, window = (rng.choice(["red", "green", "blue"], 5_000).astype("U5") for _ in range(2))
    window[:50] = "new"
    layout = laid_out([base])

    found = shift(*layout.spans()[0], profile(layout, [base]), profile(layout, [window]))

    assert found.p_value < 1e-6
    assert found.effect > LEAST


@pytest.mark.parametrize("by", [-0.3, 0.1, 0.5])
def test_the_effect_is_the_shift_in_standard_deviations(by: float) -> None:
    rng = np.random.default_rng(3)
    base = rng.normal(size=200_000)
    layout = laid_out([base])

    found = shift(*layout.spans()[0], profile(layout, [base]),
                  profile(layout, [rng.normal(by, 1, 200_000)]))  # fmt: skip

    assert found.effect == pytest.approx(by, abs=0.02 + 0.05 * abs(by))


def test_one_outlier_decides_nothing() -> None:
    rng = np.random.default_rng(4)
    base, window = rng.normal(size=5_000), rng.normal(size=5_000)
    layout = laid_out([base])
    spoilt = window.copy()
    spoilt[0] = 1e12

    clean, dirty = (
        shift(*layout.spans()[0], profile(layout, [base]), profile(layout, [one]))
        for one in (window, spoilt)
    )

    assert dirty.effect == pytest.approx(clean.effect, abs=2e-3)


@pytest.mark.parametrize(
    ("one", "two"), [([5, 0], [7, 0]), ([0, 0], [3, 4]), ([3, 4], [0, 0]), ([0], [0])]
)
def test_what_cannot_have_moved_has_not(one: list[int], two: list[int]) -> None:
    pair = np.array(one), np.array(two)

    for found in (location(*pair), homogeneity(*pair)):
        assert found.p_value == 1
        assert found.effect == 0


def test_a_shift_is_said_apart_from_drift_and_not_of_too_few_rows() -> None:
    rng = np.random.default_rng(5)
    base = [rng.normal(size=20_000), rng.normal(size=20_000)]
    layout = laid_out(base)
    before = profile(layout, base)
    window = [rng.normal(0.15, 1, 5_000), rng.normal(size=5_000)]

    found = compare(layout, before, profile(layout, window), LIMITS)
    early = compare(layout, before, profile(layout, window), Thresholds(min_rows=5_001))

    assert [(one["shifts"], one["drifts"]) for one in found] == [(True, False), (False, False)]
    assert found[0]["shift_q"] >= found[0]["shift_p"]
    assert found[0]["shift_effect"] == pytest.approx(0.15, abs=0.05)
    assert [one["shifts"] for one in early] == [False, False]


def test_certain_and_negligible_is_no_shift() -> None:
    one = np.full(10, 1_000_000)
    two = one + np.arange(10) * 1000

    found = location(one, two)

    assert found.p_value < 1e-6
    assert abs(found.effect) < LEAST


def bare(counts: Ints) -> Tally:
    return Tally(int(counts.sum()), counts, counts.astype(np.float64), np.zeros((1, 3)))


def test_what_has_no_place_is_left_to_drift() -> None:
    bins: Bins = fit("x", [1.0, 2.0, 3.0], numeric=True)
    before, after = np.array([50, 50, 50, 0, 0, 0]), np.array([50, 50, 50, 90, 90, 90])

    found = shift(bins, slice(0, bins.slots), bare(before), bare(after))

    assert found.p_value == 1
