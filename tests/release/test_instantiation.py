"""Agreement by formulas of our own, against scipy's and the textbook's."""

import json
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from app.kit.arrays import Floats
from app.release.instantiation import (
    Combiner,
    Instance,
    combine,
    held_to,
    influence,
    kendall_w,
    measure,
    outliers,
    robust_z,
    spearman,
)

SCORES = st.integers(2, 6).flatmap(
    lambda rows: st.lists(
        st.lists(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.9, 1.0]), min_size=rows, max_size=rows),
        min_size=2, max_size=6,
    )
).map(np.array)  # fmt: skip


def instances(scores: Floats, *segments: str) -> list[Instance]:
    return [
        Instance(f"i{index}", {"state": segments[index] if segments else str(index)}, row)
        for index, row in enumerate(scores)
    ]


@settings(max_examples=150, deadline=None)
@given(SCORES)
def test_concordance_is_the_mean_rank_correlation_without_ties(scores: Floats) -> None:
    """W = ((m-1)·r̄ + 1) / m holds where no instance ties rows (Kendall and Gibbons)."""
    rng = np.random.default_rng(len(scores))
    orders = np.stack([rng.permutation(scores.shape[1]) for _ in scores]).astype(np.float64)
    judges = len(orders)
    pairs = [stats.spearmanr(a, b).statistic for a, b in combinations(orders, 2)]

    assert kendall_w(orders) == pytest.approx(((judges - 1) * np.mean(pairs) + 1) / judges)


@settings(max_examples=150, deadline=None)
@given(SCORES)
def test_concordance_with_ties_is_friedmans_statistic(scores: Floats) -> None:
    """Friedman's chi² is m·(n-1)·W, ties corrected alike."""
    found = kendall_w(scores)

    if found is None:
        assert all(len(set(row)) == 1 for row in scores.tolist())
    elif scores.shape[1] > 2:
        chi = stats.friedmanchisquare(*scores.T).statistic
        assert found == pytest.approx(chi / (len(scores) * (scores.shape[1] - 1)), abs=1e-9)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=100, deadline=None)
@given(SCORES)
def test_rank_correlations_are_scipys(scores: Floats) -> None:
    found = spearman(scores)

    for i, j in combinations(range(len(scores)), 2):
        expected = stats.spearmanr(scores[i], scores[j]).statistic
        assert found[i, j] == pytest.approx(expected, abs=1e-9, nan_ok=True)


@settings(max_examples=150, deadline=None)
@given(SCORES, st.floats(0.001, 1))
def test_dispersion_is_how_much_a_row_depends_on_the_instance(
    scores: Floats, tolerance: float
) -> None:
    found = measure(instances(scores), tolerance=tolerance)

    assert found["dispersion"] == pytest.approx(
        np.mean([np.std(column, ddof=1) for column in scores.T])
    )
    assert found["segments"] == len(scores)
    for index, row in enumerate(scores):
        shift = abs(row.mean() - scores.mean())
        if abs(shift - tolerance) > 1e-9:
            assert (f"state={index}" in found["beyond"]) is bool(shift > tolerance)
    assert json.dumps(found, allow_nan=False)
    assert held_to(found, tolerance) == found


def test_a_segment_of_several_instances_is_measured_within() -> None:
    scores = np.array([[0.1, 0.5], [0.3, 0.7], [0.2, 0.6]])

    found = measure(instances(scores, "n", "n", "s"), tolerance=0.1)

    north, south = found["by_segment"]
    assert north["dispersion"] == pytest.approx(np.sqrt(0.02))
    assert (south["dispersion"], south["instances"]) == (None, 1)
    assert found["beyond"] == ["state=n"]
    assert held_to(found, 0.2)["beyond"] == []


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=5, max_size=30))
def test_robust_scores_are_the_textbooks(values: list[float]) -> None:
    array = np.array(values)
    mad = stats.median_abs_deviation(array, scale="normal")

    if mad > 1e-6:
        expected = (array - np.median(array)) / mad
        assert robust_z(array) == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_who_stands_apart_is_named() -> None:
    rng = np.random.default_rng(3)
    rows = rng.random(200)
    scores = np.stack([rows + rng.normal(0, 0.01, 200) for _ in range(8)])
    scores[2] += 0.3
    scores[5] = rng.permutation(scores[5])

    found = outliers(instances(scores), scores)

    assert found is not None
    assert [one["instance"] for one in found] == ["i2", "i5"]
    assert abs(found[0]["z_level"]) > 3.5
    assert outliers(instances(scores[:4]), scores[:4]) is None


def test_equal_instances_have_no_outliers() -> None:
    scores = np.tile(np.array([0.1, 0.2, 0.7]), (6, 1))

    found = measure(instances(scores), tolerance=0.01)

    assert (found["outliers"], found["rank_agreement"]) == (0, 1.0)
    assert found["dispersion"] == pytest.approx(0, abs=1e-12)


def test_what_the_catalogue_knows_is_compared_where_it_was_asked() -> None:
    scores = np.array([[0.1, 0.5], [0.3, 0.7]])

    found = measure(instances(scores), tolerance=0.1, registered=["i0", "i9"])

    assert (found["unregistered"], found["unscored"]) == (["i1"], ["i9"])
    assert measure(instances(scores), tolerance=0.1)["unscored"] is None


def test_accuracy_is_told_by_instance() -> None:
    scores = np.array([[0.1, 0.9], [0.6, 0.9]])

    found = measure(instances(scores), tolerance=0.1, labels=np.array([0.0, 1.0]))

    assert found["accuracy"] == {"i0": 1.0, "i1": 0.5}


MEMBERS = {"a": [0.2, 0.6, 0.9], "b": [0.4, 0.4, 0.8], "c": [0.9, 0.1, 0.1]}
WEIGHTS = {"a": 1.0, "b": 1.0, "c": 3.0}


def plain(columns: list[list[float]], weights: list[float], how: Combiner) -> list[float]:
    """An ensemble as one would write it down."""
    found = []
    for row in zip(*columns, strict=True):
        match how:
            case Combiner.MAX:
                found.append(max(row))
            case Combiner.MIN:
                found.append(min(row))
            case Combiner.MEAN:
                found.append(sum(row) / len(row))
            case Combiner.WEIGHTED_MEAN:
                found.append(sum(w * s for w, s in zip(weights, row, strict=True)) / sum(weights))
            case Combiner.MAJORITY:
                votes = sum(w for w, s in zip(weights, row, strict=True) if s > 0.5)
                found.append(float(votes > sum(weights) / 2))
    return found


@pytest.mark.parametrize("how", Combiner)
def test_leaving_a_member_out_is_the_ensemble_without_it(how: Combiner) -> None:
    names = sorted(MEMBERS)
    whole = plain([MEMBERS[n] for n in names], [WEIGHTS[n] for n in names], how)

    found = influence({name: np.array(one) for name, one in MEMBERS.items()}, WEIGHTS, how)

    for member in found["members"]:
        rest = [name for name in names if name != member["member"]]
        without = plain([MEMBERS[n] for n in rest], [WEIGHTS[n] for n in rest], how)
        apart = [abs(a - b) for a, b in zip(whole, without, strict=True)]
        flips = [(a > 0.5) != (b > 0.5) for a, b in zip(whole, without, strict=True)]
        assert member["left_out"]["mean_change"] == pytest.approx(np.mean(apart))
        assert member["left_out"]["max_change"] == pytest.approx(max(apart))
        assert member["left_out"]["flipped"] == pytest.approx(np.mean(flips))
    assert json.dumps(found, allow_nan=False)


def test_the_member_that_weighs_most_is_named() -> None:
    members = {name: np.array(one) for name, one in MEMBERS.items()}

    found: dict[str, Any] = influence(members, WEIGHTS, Combiner.WEIGHTED_MEAN)

    assert found["most_influential"] == "c"
    [c] = [one for one in found["members"] if one["member"] == "c"]
    assert c["dispersion"] == pytest.approx(np.std(MEMBERS["c"]))
    assert c["varied"]["mean_change"] > 0


def test_a_majority_of_half_the_votes_is_none() -> None:
    scores = np.array([[0.9], [0.1]])

    assert combine(scores, np.array([1.0, 1.0]), Combiner.MAJORITY).tolist() == [0.0]
