import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression
from scipy.stats import rankdata

from app.drift.estimating import Estimate, estimate
from app.drift.isotonic import calibrator, pool_adjacent_violators
from tests.drift.cohorts import Rows, made

MODELS = {
    "calibrated": {},
    "overconfident": {"slope": 2.0},
    "timid": {"slope": 0.5},
    "biased": {"bias": 1.0},
}
FEW = {"centre": -3.0, "spread": 1.0}
"""Positives are rare: about 6 in 100."""


def by_row(reference: Rows, window: Rows, *, isotonic: bool) -> dict[str, float]:
    """NannyML's CBPE on rows: isotonic on rows, then the expected confusion matrix."""
    order = np.argsort(reference.scores, kind="stable")
    chance = window.scores
    if isotonic:
        fitted = isotonic_regression(reference.labels[order].astype(float)).x
        chance = np.interp(window.scores, reference.scores[order], fitted)
    said = window.scores >= 0.5
    tp, fp = chance[said].sum(), (1 - chance[said]).sum()
    fn, tn = chance[~said].sum(), (1 - chance[~said]).sum()
    ranks = rankdata(window.scores)
    negative = 1 - chance
    order = np.argsort(window.scores)
    below = np.empty(len(ranks))
    below[order] = np.cumsum(negative[order]) - negative[order] / 2
    return {
        "accuracy": (tp + tn) / len(chance),
        "precision": tp / (tp + fp),
        "recall": tp / (tp + fn),
        "specificity": tn / (tn + fp),
        "f1": 2 * tp / (2 * tp + fp + fn),
        "auc": (chance * below).sum() / chance.sum() / negative.sum(),
        "brier": (chance * (1 - window.scores) ** 2 + negative * window.scores**2).mean(),
    }


def realised(window: Rows) -> dict[str, float]:
    said, true = window.scores >= 0.5, window.labels == 1
    ranks = rankdata(window.scores)
    ones = int(true.sum())
    return {
        "accuracy": (said == true).mean(),
        "precision": true[said].mean(),
        "recall": said[true].mean(),
        "specificity": (~said)[~true].mean(),
        "f1": 2 * (said & true).sum() / (said.sum() + true.sum()),
        "auc": (ranks[true].sum() - ones * (ones + 1) / 2) / ones / (len(true) - ones),
        "brier": ((window.scores - window.labels) ** 2).mean(),
    }


def estimated(reference: Rows, window: Rows) -> dict[str, Estimate]:
    found = window.binned()
    return estimate(found.n, found.sums, calibrator(reference.binned()))


@pytest.mark.parametrize("rows", [5_000, 50_000])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_estimates_from_bins_are_those_from_rows_to_three_decimals(
    rows: int, model: str, shift: float
) -> None:
    rng = np.random.default_rng(rows)
    reference = made(rng, 50_000, **MODELS[model])
    window = made(rng, rows, centre=shift, **MODELS[model])

    found = estimated(reference, window)
    isotonic = calibrator(reference.binned()).isotonic
    expected = by_row(reference, window, isotonic=isotonic)

    assert set(found) == set(expected)
    for name, value in expected.items():
        # A quarter of these rows stands in the outermost hundredth, where only rows have an order.
        crowded = (name, model) == ("auc", "overconfident")
        assert found[name].value == pytest.approx(value, abs=2e-3 if crowded else 1e-3), name


def test_calibration_is_used_where_it_lowers_the_error_and_not_where_it_only_fits_noise() -> None:
    used = {}
    for model, how in MODELS.items():
        chosen = [
            calibrator(made(np.random.default_rng(seed), 5_000, **how).binned()).isotonic
            for seed in range(20)
        ]
        used[model] = sum(chosen)

    assert used["calibrated"] <= 8
    assert min(used["overconfident"], used["timid"], used["biased"]) == 20


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("centre", [-1.5, -0.7, 0.0, 0.7, 1.5])
def test_under_covariate_shift_the_estimate_is_the_metric_within_its_error(
    model: str, centre: float
) -> None:
    rng = np.random.default_rng(round(10 * centre) + 100)
    away = []
    for _ in range(20):
        reference = made(rng, 20_000, **MODELS[model])
        window = made(rng, 5_000, centre=centre, **MODELS[model])
        found, true = estimated(reference, window), realised(window)
        away += [(found[name].value - true[name]) / found[name].realised_error for name in found]

    # Isotonic steps between bins bend a little, so that errors are those of chance and a bit more.
    assert abs(np.mean(away)) < 0.8
    assert np.mean(np.abs(away) > 3) <= 0.05


def test_the_estimate_moves_as_the_metric_moves() -> None:
    rng = np.random.default_rng(3)
    reference = made(rng, 20_000, slope=2.0)
    hard = made(rng, 20_000, spread=0.5, slope=2.0)
    before, after = estimated(reference, reference), estimated(reference, hard)

    fell = realised(reference)["accuracy"] - realised(hard)["accuracy"]

    assert fell > 0.1
    assert before["accuracy"].value - after["accuracy"].value == pytest.approx(fell, abs=0.01)
    assert after["accuracy"].beyond(before["accuracy"].value, sigma=0.005)


def test_what_changed_behind_the_same_scores_is_not_seen() -> None:
    rng = np.random.default_rng(4)
    reference = made(rng, 20_000)
    turned = made(rng, 20_000)
    turned = Rows(turned.scores, 1 - turned.labels)

    found = estimated(reference, turned)

    assert realised(turned)["accuracy"] < 0.3
    assert found["accuracy"].value > 0.7


@pytest.mark.parametrize("rows", [500, 5_000])
@pytest.mark.parametrize("model", ["calibrated", "overconfident"])
def test_standard_errors_are_the_spread_of_many_windows(rows: int, model: str) -> None:
    rng = np.random.default_rng(rows)
    values: dict[str, list[float]] = {}
    errors: dict[str, list[float]] = {}
    for _ in range(300):
        reference = made(rng, 10_000, **MODELS[model])
        for name, one in estimated(reference, made(rng, rows, **MODELS[model])).items():
            values.setdefault(name, []).append(one.value)
            errors.setdefault(name, []).append(one.standard_error)

    for name, found in values.items():
        assert np.mean(errors[name]) == pytest.approx(np.std(found), rel=0.45), name


def test_a_model_that_keeps_its_promise_is_hardly_ever_beyond_it() -> None:
    rng = np.random.default_rng(9)
    alarms = 0
    for _ in range(300):
        reference = made(rng, 10_000, slope=1.5)
        true = realised(reference)["accuracy"]
        error = np.sqrt(true * (1 - true) / 10_000)
        found = estimated(reference, made(rng, 1_000, slope=1.5))["accuracy"]
        alarms += found.beyond(true, 0.0, error)

    assert alarms <= 3


def test_rare_positives_are_estimated_too() -> None:
    rng = np.random.default_rng(5)
    reference, window = made(rng, 50_000, **FEW), made(rng, 50_000, **FEW)

    found = estimated(reference, window)
    isotonic = calibrator(reference.binned()).isotonic
    expected = by_row(reference, window, isotonic=isotonic)

    for name in ("accuracy", "precision", "recall", "specificity", "f1", "brier"):
        assert found[name].value == pytest.approx(expected[name], abs=3e-3), name
    # Rows of one bin have no order: an AUC loses what lies within the first hundredths.
    assert found["auc"].value == pytest.approx(expected["auc"], abs=0.01)


def test_metrics_that_are_not_defined_are_left_out() -> None:
    rng = np.random.default_rng(6)
    reference = made(rng, 5_000)
    low = Rows(np.full(600, 0.2), np.zeros(600, np.int64)).binned()

    found = estimate(low.n, low.sums, calibrator(reference.binned()))

    assert "precision" not in found
    assert found["recall"].value == 0
    assert found["auc"].value == pytest.approx(0.5, abs=0.01)
    assert all(one.estimated for one in found.values())
    assert estimate(low.n * 0, low.sums * 0, calibrator(reference.binned())) == {}


WEIGHTED = st.lists(st.tuples(st.floats(0, 1), st.integers(1, 100)), min_size=1, max_size=60)


@settings(max_examples=200, deadline=None)
@given(WEIGHTED)
def test_pooled_violators_are_scipys_isotonic_regression(pairs: list[tuple[float, int]]) -> None:
    values, weights = (np.array(side, np.float64) for side in zip(*pairs, strict=True))

    found, block = pool_adjacent_violators(values, weights)

    expected = isotonic_regression(values, weights=weights).x
    assert found == pytest.approx(expected, abs=1e-9)
    assert (np.diff(found) >= 0).all()
    assert block[0] == 0
    assert set(np.diff(block)) <= {0, 1}


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 400), st.floats(-3, 3))
def test_an_estimate_is_a_share_and_its_errors_are_none_less_than_none(
    seed: int, rows: int, centre: float
) -> None:
    rng = np.random.default_rng(seed)
    found = estimated(made(rng, 500, centre=-centre), made(rng, rows, centre=centre))

    for one in found.values():
        assert -1e-9 <= one.value <= 1 + 1e-9
        assert 0 <= one.standard_error <= one.realised_error
