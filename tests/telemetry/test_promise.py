"""What a version promised on its baseline."""

from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pytest

from app.kit.arrays import Floats, Ints
from app.telemetry.layout import fit, score_bins
from app.telemetry.outcomes import fold_columns, performance
from app.telemetry.promise import promise

NAN = float("nan")


def reference(scores: Floats, labels: Floats) -> dict[str, Any] | None:
    return promise(scores, labels, score_bins(), probability=True)


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

    found = reference(*trial(rng, np.repeat(np.tile([0.77, 0.83], 10), 5000)))

    assert found is not None
    assert found["sigma"] == pytest.approx(0.0308, abs=0.005)


def test_a_model_that_wanders_in_time_is_believed_to() -> None:
    rng = np.random.default_rng(3)

    found = reference(*trial(rng, np.repeat(np.tile([0.7, 0.9], 10), 1000)))

    assert found is not None
    assert found["sigma"] == pytest.approx(0.1026, abs=0.01)


ORDERS: dict[str, Callable[[Floats, Floats], Ints]] = {
    "by score": lambda scores, _: np.argsort(scores),
    "by label": lambda _, labels: np.argsort(labels, kind="stable"),
    "by customer": lambda scores, _: np.argsort(np.floor(scores * 10), kind="stable"),
}


@pytest.mark.parametrize("rows", [2_000, 10_000])
@pytest.mark.parametrize("order", ORDERS)
def test_no_order_of_the_rows_makes_a_model_that_guesses_pass(order: str, rows: int) -> None:
    rng = np.random.default_rng(5)
    scores = rng.beta(2, 2, rows)
    labels = (rng.random(rows) < scores).astype(float)
    place = ORDERS[order](scores, labels)
    drawn = rng.beta(2, 2, 2_000)
    guesses, nothing = (rng.random(2_000) < 0.5).astype(float), np.full(2_000, NAN)

    found = reference(scores[place], labels[place])

    assert found is not None
    done = performance(fold_columns(drawn, nothing, guesses, nothing, nothing))
    for name in ("accuracy", "auc", "ece", "brier", "log_loss"):
        was, now = found["metrics"][name], done.measure(name)
        assert now is not None
        errors = np.sqrt(was["sigma"] ** 2 + was["standard_error"] ** 2 + now.standard_error**2)
        assert abs(now.value - was["value"]) > 3 * errors, name


def test_without_a_scored_label_there_is_no_reference() -> None:
    assert reference(np.array([NAN, 0.3]), np.array([1.0, NAN])) is None
    assert reference(np.zeros(0), np.zeros(0)) is None


def test_a_curve_has_rows_positives_scores_and_errors_by_bin() -> None:
    found = reference(np.array([0.005, 0.5, 0.5, 0.505, 1.0]), np.array([0, 1, 0, 1, 1.0]))

    assert found is not None
    curve = np.array(found["curve"])
    assert curve.shape == (100, 5)
    assert np.flatnonzero(curve[:, 0]).tolist() == [0, 50, 99]
    assert curve[50].tolist() == pytest.approx([3, 2, 1.505, 1.495, 0.25 + 0.25 + 0.495**2])


def test_a_promise_is_kept_as_plain_numbers() -> None:
    found = reference(*trial(np.random.default_rng(6), np.full(1000, 0.7)))

    assert found is not None
    assert orjson.loads(orjson.dumps(found)) == found
    assert found["metrics"]["ece"]["by_chance"] > 0


def test_a_number_is_promised_by_its_errors() -> None:
    rng = np.random.default_rng(4)
    labels = rng.normal(100, 20, 5000)
    scores = labels + rng.normal(1, 3, 5000)
    bins = fit("score", scores.tolist(), numeric=True)

    found = promise(scores, labels, bins, probability=False)

    assert found is not None
    assert set(found["metrics"]) == {"mae", "rmse", "bias"}
    assert found["metrics"]["bias"]["value"] == pytest.approx((scores - labels).mean())
    assert found["metrics"]["rmse"]["value"] == pytest.approx(10**0.5, rel=0.05)
    assert "accuracy" not in found
    assert len(found["curve"]) == bins.bins
