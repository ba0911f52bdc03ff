"""Metrics from folded outcomes against the same from the rows."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu
from sklearn import metrics as sklearn

from app.kit.arrays import Floats
from app.telemetry import METRICS, Performance
from app.telemetry.outcomes import Labelled, fold_columns, performance
from app.telemetry.performance import EDGES, FINE
from app.telemetry.tally import Tally
from tests.telemetry.folds import fold

SEEDS = st.integers(0, 2**32 - 1)


def folded(scores: Floats, labels: Floats) -> Performance:
    nothing = np.full(len(scores), np.nan)
    return performance(fold_columns(scores, nothing, labels, nothing, nothing))


def exact_auc(scores: Floats, labels: Floats) -> float:
    positives, negatives = scores[labels == 1], scores[labels == 0]
    ranked: Any = mannwhitneyu(positives, negatives)
    return float(ranked.statistic) / (len(positives) * len(negatives))


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(2000, 9000), st.floats(0.3, 6), st.floats(0.3, 60), st.floats(-3, 0))
def test_auc_from_bins_is_within_a_thousandth_of_the_rank_statistic(
    seed: int, size: int, a: float, b: float, decades: float
) -> None:
    """Also of scores that lie below a thousandth all of them, while no bin has three tenths."""
    rng = np.random.default_rng(seed)
    low = decades < -1
    scores = rng.beta(a, b + low, size) * (10**decades if low else 1.0)
    labels = (rng.random(size) < np.clip(scores / scores.mean() * 0.3, 0, 1)).astype(float)
    assume(np.bincount(np.searchsorted(EDGES, scores)).max() < 0.3 * size)

    found = folded(scores, labels).auc

    assert found == pytest.approx(exact_auc(scores, labels), abs=0.001)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 99), st.booleans()), min_size=1, max_size=60))
def test_auc_is_exact_where_each_score_has_a_bin_of_its_own(pairs: list[tuple[int, bool]]) -> None:
    scores = np.array([(place + 0.5) / 100 for place, _ in pairs])
    labels = np.array([float(label) for _, label in pairs])

    found = folded(scores, labels).auc

    if len(set(labels.tolist())) < 2:
        assert found is None
    else:
        assert found == pytest.approx(exact_auc(scores, labels), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(300, 3000), st.floats(0.3, 6), st.floats(0.3, 6))
def test_metrics_of_a_classifier_are_those_of_the_rows(
    seed: int, size: int, a: float, b: float
) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.beta(a, b, size)
    labels = (rng.random(size) < scores**1.5).astype(float)
    labels[:2] = 0, 1
    said = (scores >= 0.5).astype(float)

    found = {name: one.value for name, one in folded(scores, labels).measures().items()}

    for name, expected in {
        "accuracy": sklearn.accuracy_score(labels, said),
        "log_loss": sklearn.log_loss(labels, scores),
        "brier": sklearn.brier_score_loss(labels, scores),
        "mae": sklearn.mean_absolute_error(labels, scores),
        "rmse": sklearn.root_mean_squared_error(labels, scores),
        "bias": (scores - labels).mean(),
        "ece": ece(scores, labels),
    }.items():
        assert found[name] == pytest.approx(expected, rel=1e-9, abs=1e-12), name
    for name, reference in {
        "precision": sklearn.precision_score, "recall": sklearn.recall_score,
        "f1": sklearn.f1_score,
    }.items():  # fmt: skip
        expected = reference(labels, said, zero_division=np.nan)
        assert found.get(name, np.nan) == pytest.approx(expected, nan_ok=True), name


def ece(scores: Floats, labels: Floats) -> float:
    places = np.searchsorted(np.arange(1, 10) / 10, scores, side="right")
    gaps = [abs((labels - scores)[places == place].sum()) for place in range(10)]
    return float(sum(gaps)) / len(scores)


def sample(rng: np.random.Generator, size: int) -> tuple[Floats, Floats]:
    scores = rng.beta(1.2, 2.5, size)
    return scores, (rng.random(size) < scores).astype(float)


@pytest.mark.parametrize("name", [name for name in METRICS if name not in {"ece", "reward"}])
def test_a_standard_error_is_the_spread_over_samples(name: str) -> None:
    rng = np.random.default_rng(7)
    values, errors = [], []
    for _ in range(400):
        scores, labels = sample(rng, 800)
        rewards = rng.normal(2, 5, 800)
        found = performance(
            fold_columns(scores, np.full(800, np.nan), labels, rewards, rng.exponential(3, 800))
        ).measure(name)
        assert found is not None
        values.append(found.value)
        errors.append(found.standard_error)

    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.12)


def test_the_error_of_an_auc_is_delongs() -> None:
    scores, labels = sample(np.random.default_rng(8), 3000)
    positives, negatives = scores[labels == 1], scores[labels == 0]
    above = (positives[:, None] > negatives[None, :]) + 0.5 * (
        positives[:, None] == negatives[None, :]
    )
    variance = above.mean(axis=1).var(ddof=1) / len(positives)
    variance += above.mean(axis=0).var(ddof=1) / len(negatives)

    found = folded(scores, labels).measure("auc")

    assert found is not None
    assert found.standard_error == pytest.approx(variance**0.5, rel=0.01)


def test_scores_and_labels_are_counted_in_the_scores_bins() -> None:
    fine = folded(np.array([0.0, 0.5, 0.5, 1.0, np.nan]), np.array([0.0, 1.0, 0.0, 1.0, 1.0])).fine

    half = int(np.searchsorted(EDGES, 0.5, side="right"))
    assert fine.shape == (FINE, 2)
    assert np.argwhere(fine).tolist() == [[0, 0], [half, 0], [half, 1], [FINE - 1, 1]]


def test_hours_of_the_first_release_still_have_their_area() -> None:
    """It kept hundredths by label alone."""
    old = Tally.empty(206, 0)
    old.counts[[2 * 10, 2 * 20 + 1, 2 * 30, 2 * 40 + 1]] = 1

    assert performance(old).auc == 0.75
    both = performance(old.wider(len(fold([]).counts)))
    assert both.auc == 0.75


def test_brier_is_said_of_classes_alone() -> None:
    done = performance(fold([Labelled(0.5, np.nan, 3.0, np.nan)] * 5))

    assert done.measure("brier") is None
    assert done.measure("mae") == pytest.approx((2.5, 0.0, 5))
