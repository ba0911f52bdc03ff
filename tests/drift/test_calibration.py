from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import binom, binomtest, chi2

from app.drift.calibration import (
    Calibration,
    Verdict,
    calibration,
    exact_p,
    hosmer_lemeshow,
    recalibration,
)
from app.drift.scored import Scored
from app.kit.arrays import Floats
from app.telemetry import mean_deviation
from tests.drift.cohorts import Rows, made


def judged(rows: Rows) -> Calibration:
    found = calibration(rows.binned())
    assert found is not None
    return found


@pytest.mark.parametrize("slope", [0.5, 1.0, 2.0])
def test_every_figure_is_that_of_the_rows(slope: float) -> None:
    rows = made(np.random.default_rng(1), 20_000, slope=slope)
    places = rows.places()

    found = judged(rows)

    gaps, weights, rates = [], [], []
    for place in np.unique(places):
        here = places == place
        gaps.append(abs(rows.labels[here].mean() - rows.scores[here].mean()))
        rates.append(rows.labels[here].mean())
        weights.append(here.mean())
    base = rows.labels.mean()
    assert found.ece == pytest.approx(np.dot(weights, gaps))
    assert found.mce == pytest.approx(max(gaps))
    assert found.reliability == pytest.approx(np.dot(weights, np.square(gaps)))
    assert found.resolution == pytest.approx(np.dot(weights, (np.array(rates) - base) ** 2))
    assert found.uncertainty == pytest.approx(base * (1 - base))
    assert found.residual == pytest.approx((rows.labels - rows.scores).mean())
    assert sum(place.n for place in found.places) == found.rows == 20_000


@pytest.mark.parametrize("slope", [0.5, 1.0, 2.0])
def test_the_parts_add_up_to_the_rows_brier_score(slope: float) -> None:
    rows = made(np.random.default_rng(2), 20_000, slope=slope)

    found = judged(rows)

    parts = found.reliability - found.resolution + found.uncertainty
    assert found.brier == pytest.approx(parts)
    # Bins are hundredths: what lies within one is a ten-thousandth of the score.
    assert found.brier == pytest.approx(((rows.scores - rows.labels) ** 2).mean(), abs=1e-4)


@pytest.mark.parametrize("slope", [0.5, 1.0, 2.0])
def test_intercept_and_slope_are_those_of_a_logistic_regression_on_rows(slope: float) -> None:
    rows = made(np.random.default_rng(3), 20_000, slope=slope, bias=0.3)
    inside = np.clip(rows.scores, 1e-6, 1 - 1e-6)
    logit = np.log(inside / (1 - inside))

    def loss(at: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        line = at[0] + at[1] * logit
        return float((np.logaddexp(0, line) - rows.labels * line).sum())

    expected = minimize(loss, [0.0, 1.0]).x
    found = recalibration(rows.binned())

    assert found is not None
    assert found.intercept == pytest.approx(expected[0], abs=0.02)
    assert found.slope == pytest.approx(expected[1], rel=0.03)
    assert abs(found.slope - 1 / slope) < 4 * found.slope_error + 0.03 / slope


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 2000), st.floats(1e-6, 1 - 1e-6) | st.sampled_from([0.0, 1.0]))
def test_the_mean_deviation_of_a_binomial_is_exact(n: int, p: float) -> None:
    k = np.arange(n + 1)
    expected = float(np.abs(k - n * p) @ binom.pmf(k, n, p))

    found = mean_deviation(np.array([n]), np.array([p]))

    assert found[0] == pytest.approx(expected, abs=1e-7 + 1e-7 * n)


@pytest.mark.parametrize("rows", [500, 5_000])
def test_by_chance_true_probabilities_show_the_error_that_is_said(rows: int) -> None:
    rng = np.random.default_rng(rows)
    found = [judged(made(rng, rows)) for _ in range(300)]
    eces = np.array([one.ece for one in found])

    assert eces.mean() == pytest.approx(np.mean([one.ece_by_chance for one in found]), rel=0.03)
    assert eces.std() == pytest.approx(np.mean([one.ece_error for one in found]), rel=0.15)


def test_hosmer_lemeshow_is_chi_square_of_its_groups_when_scores_are_true() -> None:
    rng = np.random.default_rng(5)

    found = [hosmer_lemeshow(made(rng, 2_000).binned()) for _ in range(500)]
    p_values = np.array([p for p in found if p is not None])

    assert len(p_values) == 500
    assert np.mean(p_values < 0.05) == pytest.approx(0.05, abs=0.03)
    assert np.mean(p_values < 0.01) <= 0.03


def test_hosmer_lemeshow_of_full_bins_is_the_published_sum() -> None:
    n, scores = np.array([100, 100, 100]), np.array([0.2, 0.5, 0.8])
    positives = np.array([30, 50, 75])
    expected = float(((positives - n * scores) ** 2 / (n * scores * (1 - scores))).sum())

    found = hosmer_lemeshow(Scored(n, positives, n * scores))

    assert found == pytest.approx(chi2.sf(expected, 3))


def test_the_verdict_is_right_of_what_is_true_and_of_what_is_not() -> None:
    rng = np.random.default_rng(6)
    calm = [judged(made(rng, 3_000)).verdict for _ in range(100)]
    wrong = [judged(made(rng, 3_000, slope=2.0)).verdict for _ in range(20)]

    assert calm.count(Verdict.MISCALIBRATED) <= 3
    assert wrong.count(Verdict.MISCALIBRATED) == 20
    assert judged(made(rng, 499, slope=2.0)).verdict is Verdict.UNKNOWN


def test_certain_and_tiny_is_still_calibrated() -> None:
    found = judged(made(np.random.default_rng(7), 2_000_000, bias=0.02))

    assert found.hosmer_lemeshow_p is not None
    assert found.hosmer_lemeshow_p < 0.01
    assert found.verdict is Verdict.CALIBRATED


def labelled(scores: Floats, chances: Floats, rng: np.random.Generator) -> Rows:
    return Rows(scores, (rng.random(len(scores)) < chances).astype(np.int64))


@pytest.mark.parametrize(
    ("rows", "low", "high", "of_low", "of_high"),
    [
        (1_000, 0.004, 0.004, 0.2, 0.2),
        (1_000, 1.0, 1.0, 0.5, 0.5),
        (5_000, 0.0, 1.0, 0.3, 0.7),
        (5_000, 0.0005, 0.9995, 0.1, 0.9),
    ],
    ids=["rare, and often", "always certain", "hard answers", "overconfident"],
)
def test_what_no_group_can_be_made_of_is_judged_by_its_bins(
    rows: int, low: float, high: float, of_low: float, of_high: float
) -> None:
    rng = np.random.default_rng(8)
    for _ in range(20):
        first = rng.random(rows) < 0.5
        found = judged(labelled(np.where(first, low, high), np.where(first, of_low, of_high), rng))

        assert found.verdict is Verdict.MISCALIBRATED


Draws = Callable[[np.random.Generator, int], Floats]


@pytest.mark.parametrize("rows", [500, 2_000])
@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, rows: rng.beta(1, 1, rows),
        lambda rng, rows: rng.beta(0.1, 0.9, rows),
        lambda rng, rows: rng.beta(0.05, 5, rows),
        lambda rng, rows: rng.beta(2, 30, rows),
        lambda _, rows: np.full(rows, 0.004),
        lambda rng, rows: rng.choice([0.01, 0.03, 0.2, 0.6, 0.97], rows),
        lambda rng, rows: rng.choice([0.0005, 0.9995], rows),
    ],
    ids=["even", "outermost", "rare", "low", "constant", "leaves", "two"],
)
def test_true_probabilities_are_hardly_ever_called_otherwise(draw: Draws, rows: int) -> None:
    rng = np.random.default_rng(rows)
    said = []
    for _ in range(150):
        scores = draw(rng, rows)
        said.append(judged(labelled(scores, scores, rng)).verdict)

    assert said.count(Verdict.CALIBRATED) >= 147


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 500), st.floats(0, 1), st.floats(0, 1))
def test_one_bin_is_tested_as_scipy_tests_a_binomial(n: int, score: float, share: float) -> None:
    positives = round(n * share)
    each = [binomtest(positives, n, score, side).pvalue for side in ("less", "greater")]

    found = exact_p(np.array([n]), np.array([positives]), np.array([score]))

    assert found == pytest.approx(min(2 * min(each), 1.0), abs=1e-9)


def test_of_rows_that_no_labels_could_contradict_nothing_is_said() -> None:
    few = Scored(np.array([6]), np.array([3]), np.array([3.0]))

    found = calibration(few, min_rows=1)

    assert found is not None
    assert found.hosmer_lemeshow_p is None
    assert found.verdict is Verdict.UNKNOWN


@st.composite
def scored(draw: st.DrawFn) -> Scored:
    size = draw(st.integers(1, 20))
    n = np.array(draw(st.lists(st.integers(0, 300), min_size=size, max_size=size)))
    share = draw(st.lists(st.floats(0, 1), min_size=size, max_size=size))
    inside = draw(st.lists(st.floats(0, 1), min_size=size, max_size=size))
    means = (np.arange(size) + inside) / size
    return Scored(n, np.round(n * share).astype(np.int64), n * means)


@settings(max_examples=200, deadline=None)
@given(scored())
def test_figures_of_any_counts_are_in_their_bounds(counts: Scored) -> None:
    found = calibration(counts)

    assert (found is None) is (counts.rows == 0)
    if found is not None:
        assert 0 <= found.ece <= found.mce <= 1
        assert abs(found.residual) <= found.ece + 1e-9
        assert found.reliability <= found.mce**2 + 1e-9
        assert -1e-9 <= found.brier <= 1
        assert found.resolution <= found.uncertainty + 1e-9
        assert found.hosmer_lemeshow_p is None or 0 <= found.hosmer_lemeshow_p <= 1
        assert 0 <= found.exact_p <= 1


@pytest.mark.parametrize(
    ("n", "positives"), [([5, 0], [2, 0]), ([5, 5], [0, 0]), ([5, 5], [5, 5]), ([50, 50], [0, 50])]
)
def test_where_no_line_exists_none_is_drawn(n: list[int], positives: list[int]) -> None:
    counts = Scored(np.array(n), np.array(positives), np.array(n) * [0.25, 0.75])

    assert recalibration(counts) is None


@settings(max_examples=50, deadline=None)
@given(scored())
def test_counts_add_up_in_any_order(counts: Scored) -> None:
    curve = np.stack([counts.n, counts.positives, counts.sums], axis=1).tolist()
    labels = np.stack([counts.n - counts.positives, counts.positives], axis=1)
    sums = np.stack([counts.sums * 0.25, counts.sums * 0.75], axis=1)

    for one in (Scored.of_curve(curve), Scored.of_labels(labels, sums)):
        assert (one.n == counts.n).all()
        assert (one.positives == counts.positives).all()
        assert one.sums == pytest.approx(counts.sums)
    twice = counts + counts
    assert twice.rows == 2 * counts.rows
    assert twice.used().means() == pytest.approx(counts.used().means())
