from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, false_discovery_control, ks_2samp, wasserstein_distance

from app.drift.statistics import (
    benjamini_hochberg,
    chi_square_p,
    distance,
    jensen_shannon,
    kolmogorov_smirnov,
    population_stability,
    shares,
    wasserstein,
)
from app.kit.arrays import Ints
from app.telemetry import Bins, Layout, Tally
from app.telemetry.layout import fit
from app.telemetry.tally import tally


@st.composite
def counts(draw: st.DrawFn) -> tuple[Ints, Ints]:
    """Draw two count vectors over the same slots, neither of them empty."""
    size = draw(st.integers(1, 12))
    one, two = (
        np.array(draw(st.lists(st.integers(0, 500), min_size=size, max_size=size)))
        for _ in range(2)
    )
    assume(one.sum() > 0)
    assume(two.sum() > 0)
    return one, two


FEW = st.lists(st.integers(-9, 9).map(float), min_size=1, max_size=80)


def profile(bins: Bins, column: list[Any]) -> Tally:
    layout = Layout((bins,))
    codes, values = layout.place([column])
    return tally(codes, values, layout.size)


def exact(one: list[float], two: list[float]) -> tuple[Tally, Tally]:
    """Return both samples' profiles in bins that each hold one exact value."""
    bins = fit("x", one + two, numeric=True)
    return profile(bins, one), profile(bins, two)


@settings(max_examples=100, deadline=None)
@given(counts())
def test_js_is_scipys_squared_distance_in_bits(pair: tuple[Ints, Ints]) -> None:
    p, q = (shares(side) for side in pair)

    assert jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q, base=2) ** 2, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(counts())
def test_js_is_symmetric_between_nothing_and_one_bit(pair: tuple[Ints, Ints]) -> None:
    p, q = (shares(side) for side in pair)

    assert 0 <= jensen_shannon(p, q) <= 1 + 1e-12
    assert jensen_shannon(p, q) == pytest.approx(jensen_shannon(q, p), abs=1e-12)
    assert jensen_shannon(p, p) == 0


def test_js_of_disjoint_distributions_is_one_bit() -> None:
    assert jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == 1


@settings(max_examples=100, deadline=None)
@given(FEW, FEW)
def test_ks_is_scipys_on_the_raw_rows(one: list[float], two: list[float]) -> None:
    a, b = exact(one, two)

    with catch_warnings():
        simplefilter("ignore", RuntimeWarning)  # of its p-value, which is not looked at
        expected: Any = ks_2samp(one, two)

    found = kolmogorov_smirnov(shares(a.counts), shares(b.counts))

    assert found == pytest.approx(expected.statistic, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(FEW, FEW)
def test_wasserstein_is_scipys_on_the_raw_rows(one: list[float], two: list[float]) -> None:
    a, b = exact(one, two)

    found = wasserstein(a.counts, b.counts, a.sums, b.sums)

    assert found == pytest.approx(wasserstein_distance(one, two), abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=60, max_size=200, unique=True), st.floats(-500, 500))
def test_wasserstein_from_quantile_bins_sees_a_shift_by_its_size(
    values: list[float], by: float
) -> None:
    bins = Bins("x", fit("x", values, numeric=True).binning, tuple(np.linspace(-1500, 1500, 301)))
    a, b = profile(bins, values), profile(bins, [value + by for value in values])

    found = wasserstein(a.counts, b.counts, a.sums, b.sums)

    assert found == pytest.approx(abs(by), abs=20)  # a row stands at most a bin from its mean


@settings(max_examples=100, deadline=None)
@given(counts())
def test_chi_square_p_is_scipys_of_the_contingency_table(pair: tuple[Ints, Ints]) -> None:
    table = np.stack(pair)[:, np.sum(pair, axis=0) > 0]
    expected: Any = chi2_contingency(table, correction=False)

    assert chi_square_p(*pair) == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(
    ("one", "two"), [([5, 0], [7, 0]), ([0, 0], [3, 4]), ([3, 4], [0, 0]), ([0], [0])]
)
def test_what_cannot_differ_is_not_significant(one: list[int], two: list[int]) -> None:
    assert chi_square_p(np.array(one), np.array(two)) == 1


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_q_values_are_scipys_benjamini_hochberg(found: list[float]) -> None:
    p_values = np.array(found)

    assert benjamini_hochberg(p_values) == pytest.approx(
        false_discovery_control(p_values), abs=1e-12
    )


def test_no_tests_have_no_q_values() -> None:
    assert benjamini_hochberg(np.zeros(0)).tolist() == []


@settings(max_examples=100, deadline=None)
@given(counts())
def test_psi_is_never_negative_and_none_between_equals(pair: tuple[Ints, Ints]) -> None:
    one, two = pair

    assert population_stability(one, two) >= 0
    assert population_stability(one, one) == 0
    assert population_stability(one, np.zeros_like(two)) == 0
    assert population_stability(np.zeros_like(one), two) == 0


def test_psi_of_large_samples_is_the_published_sum() -> None:
    one, two = np.array([500_000, 500_000]), np.array([250_000, 750_000])
    published = (0.25 - 0.5) * np.log(0.25 / 0.5) + (0.75 - 0.5) * np.log(0.75 / 0.5)

    assert population_stability(one, two) == pytest.approx(published, abs=1e-5)


@pytest.mark.parametrize("bins", [10, 30])
@pytest.mark.parametrize(("n", "m"), [(1000, 500), (20_000, 500)])
def test_psi_of_one_distribution_is_near_nothing_once_its_bias_is_off(
    bins: int, n: int, m: int
) -> None:
    rng = np.random.default_rng(bins + n)
    chances = np.full(bins, 1 / bins)
    trials = [(rng.multinomial(n, chances), rng.multinomial(m, chances)) for _ in range(400)]
    raw = np.array([float(((b / m - a / n) * np.log((b / m) / (a / n))).sum()) for a, b in trials])
    bias = (bins - 1) * (1 / n + 1 / m)

    found = np.array([population_stability(a, b) for a, b in trials])

    # Yurdakul and Naranjo (2020): the raw PSI of no drift is about its bias on average.
    assert raw.mean() == pytest.approx(bias, rel=0.15)
    # Cut off at 0, what is left is about 0.4 standard deviations of a chi-square.
    assert found.mean() < bias / 4
    assert found.max() < 0.2
    assert found == pytest.approx(np.maximum(raw - bias, 0), abs=1e-9)


NUMERIC = fit("x", [1.0, 2.0, 3.0], numeric=True)
TEXTUAL = fit("c", ["a", "b"], numeric=False)


def compared(bins: Bins, one: list[Any], two: list[Any]) -> Any:
    return distance(bins, slice(0, bins.slots), profile(bins, one), profile(bins, two))


def test_a_variable_that_goes_missing_drifts_as_plainly_as_one_that_moves() -> None:
    gone = compared(NUMERIC, [1.0] * 100, [None] * 100)
    moved = compared(NUMERIC, [1.0] * 100, [3.0] * 100)

    assert gone.js == moved.js == 1
    assert gone.psi == pytest.approx(moved.psi)
    assert gone.p_value == pytest.approx(moved.p_value)
    assert gone.p_value < 1e-20


def test_shares_of_null_and_unseen_are_of_the_windows_rows() -> None:
    number = compared(NUMERIC, [1.0] * 8, [None, 9.0, 9.0, 1.0, 2.0, 3.0, 1.0, 1.0])
    text = compared(TEXTUAL, ["a"] * 4, ["new", None, "a", "b"])

    assert (number.null_share, number.unseen_share) == (1 / 8, 2 / 8)
    assert (text.null_share, text.unseen_share) == (1 / 4, 1 / 4)


def test_what_has_no_order_has_no_ks_and_no_wasserstein() -> None:
    text = compared(TEXTUAL, ["a", "b"], ["b", "b"])
    number = compared(NUMERIC, [1.0, 2.0], [2.0, 2.0])

    assert (text.ks, text.wasserstein) == (None, None)
    assert (number.ks, number.wasserstein) == (0.5, 0.5)


@settings(max_examples=100, deadline=None)
@given(FEW)
def test_a_window_equal_to_its_baseline_has_no_distance(column: list[float]) -> None:
    found = compared(fit("x", column, numeric=True), column, column)

    assert (found.js, found.psi, found.ks, found.wasserstein, found.p_value) == (0, 0, 0, 0, 1)
