from math import isnan
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from app.kit.arrays import Floats
from app.telemetry import Performance, Tally
from app.telemetry.layout import SCORE_EDGES
from app.telemetry.outcomes import BINS, CONVERSION, REWARD, Labelled, fold, performance, reference
from app.telemetry.tally import total

NAN = float("nan")
PROBABILITIES = st.floats(0, 1) | st.sampled_from([0.5, NAN])
LABELS = st.sampled_from([0.0, 1.0, NAN])
REWARDS = st.integers(-1000, 1000).map(float) | st.just(NAN)


def rows() -> st.SearchStrategy[list[Labelled]]:
    one = st.builds(
        Labelled,
        hour=st.just(0),
        score=PROBABILITIES,
        prediction=LABELS,
        label=LABELS | st.sampled_from([0.7, -1.0, 2.0]),  # the last three are no class
        reward=REWARDS,
    )
    return st.lists(one, max_size=40)


def said(row: Labelled) -> float:
    return row.score if isnan(row.prediction) else row.prediction


@settings(max_examples=200, deadline=None)
@given(rows())
def test_accuracy_is_the_share_of_labelled_answers_that_were_right(some: list[Labelled]) -> None:
    judged = [row for row in some if row.label in {0, 1} and not isnan(said(row))]
    right = [row for row in judged if (said(row) >= 0.5) == (row.label == 1)]

    done = performance(fold(some))

    assert done.labelled == len(judged)
    assert done.accuracy == (len(right) / len(judged) if judged else None)
    assert done.positives == sum(row.label == 1 for row in some)


@settings(max_examples=200, deadline=None)
@given(rows())
def test_rewards_are_counted_summed_and_converted_exactly(some: list[Labelled]) -> None:
    rewards = [row.reward for row in some if not isnan(row.reward)]

    done = performance(fold(some))

    assert done.rewarded == len(rewards)
    assert done.reward == sum(rewards)
    assert done.reward_squared == sum(reward**2 for reward in rewards)
    assert done.conversions == sum(reward > 0 for reward in rewards)
    assert done.mean_reward == (sum(rewards) / len(rewards) if rewards else None)


@settings(max_examples=100, deadline=None)
@given(rows(), rows())
def test_performance_of_two_hours_is_that_of_all_their_rows(
    one: list[Labelled], two: list[Labelled]
) -> None:
    apart, together = performance(total([fold(one), fold(two)])), performance(fold(one + two))

    for field in ("labelled", "accuracy", "positives", "rewarded", "reward", "conversions", "auc"):
        assert getattr(apart, field) == getattr(together, field)
    assert np.array_equal(apart.counts, together.counts)


@pytest.mark.parametrize("reward", [1e154, -1e200, 1.7e308])
def test_no_reward_is_too_large_to_be_folded(reward: float) -> None:
    found = fold([Labelled(0, 0.5, NAN, 1.0, reward), Labelled(0, 0.5, NAN, 1.0, 1.0)])

    assert found.counts[REWARD] == 2
    assert found.counts[CONVERSION] == 1 + (reward > 0)


def folded(scores: Floats, labels: Floats) -> Performance:
    return performance(
        fold(
            [Labelled(0, float(s), NAN, float(y), NAN) for s, y in zip(scores, labels, strict=True)]
        )
    )


def exact_auc(scores: Floats, labels: Floats) -> float:
    positives, negatives = scores[labels == 1], scores[labels == 0]
    ranked: Any = mannwhitneyu(positives, negatives)
    return float(ranked.statistic) / (len(positives) * len(negatives))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(200, 2000),
    st.floats(0.8, 4),
    st.floats(0.8, 4),
    st.floats(0.2, 0.8),
)
def test_auc_from_bins_is_within_a_hundredth_of_the_rank_statistic(
    seed: int, size: int, a: float, b: float, share: float
) -> None:
    rng = np.random.default_rng(seed)
    labels = (rng.random(size) < share).astype(float)
    scores = np.where(labels == 1, rng.beta(a, b, size), rng.beta(b, a, size))

    found = folded(scores, labels).auc

    assert found == pytest.approx(exact_auc(scores, labels), abs=0.01)


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


def test_scores_and_labels_are_counted_in_the_scores_bins() -> None:
    counts = folded(np.array([0.0, 0.5, 0.5, 1.0, NAN]), np.array([0.0, 1.0, 0.0, 1.0, 1.0])).counts

    assert counts.shape == (BINS, 2) == (len(SCORE_EDGES) + 1, 2)
    assert np.argwhere(counts).tolist() == [[0, 0], [50, 0], [50, 1], [99, 1]]


def test_no_outcomes_say_nothing() -> None:
    for found in (None, fold([]), Tally.empty(len(fold([]).counts), 0)):
        done = performance(found)
        assert (done.labelled, done.accuracy, done.auc, done.mean_reward) == (0, None, None, None)
        assert done.standard_error == float("inf")


def test_the_standard_error_is_that_of_a_share() -> None:
    done = performance(fold([Labelled(0, 0.9, NAN, float(i < 80), NAN) for i in range(100)]))

    assert done.accuracy == 0.8
    assert done.standard_error == pytest.approx(0.04)


def trial(rng: np.random.Generator, chances: Floats) -> tuple[Floats, Floats]:
    scores = rng.random(len(chances))
    hits = rng.random(len(chances)) < chances
    return scores, np.where(hits, scores >= 0.5, scores < 0.5).astype(float)


def test_a_reference_holds_the_exact_accuracy_of_the_rows_that_have_both() -> None:
    rng = np.random.default_rng(1)
    scores, labels = trial(rng, np.full(1003, 0.7))
    scores[:3], labels[-5:] = NAN, NAN
    known = slice(3, -5)
    hits = (scores[known] >= 0.5) == (labels[known] >= 0.5)

    found = reference(scores, labels)

    assert found is not None
    assert found["accuracy"] == pytest.approx(hits.mean(), abs=1e-12)
    assert found["rows"] == 995


def test_rows_of_one_distribution_do_not_wander_beyond_sampling() -> None:
    rng = np.random.default_rng(2)
    sampling = np.sqrt(0.8 * 0.2 / 500)

    found = [reference(*trial(rng, np.full(10_000, 0.8))) for _ in range(60)]
    sigmas = np.array([item["sigma"] for item in found if item is not None])

    assert len(sigmas) == 60
    assert sigmas.mean() < 0.4 * sampling
    assert sigmas.max() < 1.2 * sampling


def test_chunks_that_wander_are_seen_to_wander() -> None:
    rng = np.random.default_rng(3)

    found = reference(*trial(rng, np.repeat(np.tile([0.7, 0.9], 10), 1000)))

    assert found is not None
    assert found["sigma"] == pytest.approx(0.1026, abs=0.01)


def test_without_a_scored_label_there_is_no_reference() -> None:
    assert reference(np.array([NAN, 0.3]), np.array([1.0, NAN])) is None
    assert reference(np.zeros(0), np.zeros(0)) is None
