"""What KPIs come to, and when they are missed."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.kpi.computed import value
from app.kpi.rules import (
    Direction,
    Formula,
    Found,
    Prices,
    better,
    certain,
    fault,
    gravely,
    limit,
    missed,
)
from app.kpi.scopes.rules import ScopeFormula
from app.kpi.scopes.rules import value as of_scope
from app.telemetry import METRICS, Performance
from app.telemetry.outcomes import Labelled, performance
from tests.telemetry.folds import fold

DONE = Performance(
    labelled=100, hits=85, true_positives=40, false_positives=10, false_negatives=5, positives=45,
    rewarded=50, reward=125.0, conversions=20, costed=50, cost=25.0, cost_squared=20.0,
    valued=50,
)  # fmt: skip


@pytest.mark.parametrize(
    ("formula", "expected", "outcomes"),
    [
        (Formula.MEAN_REWARD, 2.5, 50),
        (Formula.CONVERSION_RATE, 0.4, 50),
        (Formula.MEAN_COST, 0.5, 50),
        (Formula.NET_VALUE, 2.0, 50),
        (Formula.ACCURACY, 0.85, 100),
        (Formula.PRECISION, 0.8, 50),
        (Formula.ERROR_COST, (40 * 9.0 - 10 * 3.0 - 5 * 20.0 + 45 * 1.0) / 100, 100),
    ],
)
def test_a_kpi_is_what_its_formula_says(formula: Formula, expected: float, outcomes: int) -> None:
    found = value(formula, DONE, Prices(9.0, -3.0, -20.0, 1.0))

    assert found.value == pytest.approx(expected)
    assert found.outcomes == outcomes


def folded(rewards: list[float], costs: list[float]) -> Performance:
    """Outcomes of decisions of which some have a reward, some a cost, some both."""
    nan = float("nan")
    rows = [
        Labelled(nan, nan, nan, reward, cost) for reward, cost in zip(rewards, costs, strict=True)
    ]
    return performance(fold(rows))


def test_net_value_is_by_the_decisions_that_brought_or_cost_anything() -> None:
    nan = float("nan")
    rare_cost = folded([1.5] * 1_000, [50.0 if n % 100 == 0 else nan for n in range(1_000)])
    rare_reward = folded([40.0 if n % 50 == 0 else nan for n in range(1_000)], [1.0] * 1_000)
    apart = folded([4.0, nan, 2.0], [nan, 1.0, nan])

    assert value(Formula.NET_VALUE, rare_cost).value == pytest.approx(1.0)
    assert value(Formula.NET_VALUE, rare_reward).value == pytest.approx(-0.2)
    assert value(Formula.NET_VALUE, apart).value == pytest.approx(5 / 3)
    assert value(Formula.NET_VALUE, apart).outcomes == 3


@pytest.mark.parametrize(
    ("name", "costs"),
    [
        ("a thin margin", lambda rng, rewards: rewards - rng.normal(10, 5, len(rewards))),
        ("losses with costs in proportion", lambda _, rewards: -0.4 * rewards),
        ("a cost that mirrors the reward", lambda _, rewards: -rewards),
        ("costs of their own", lambda rng, rewards: rng.gamma(2, 20, len(rewards))),
    ],
)
def test_the_error_of_a_net_value_is_that_of_the_differences(name: str, costs: Any) -> None:
    rng = np.random.default_rng(len(name))
    rewards = rng.normal(100, 10, 400)
    spent = costs(rng, rewards)
    done = folded(list(rewards), list(spent))
    net = rewards - spent

    found, summed = value(Formula.NET_VALUE, done), of_scope(ScopeFormula.TOTAL_NET_VALUE, done)

    assert found.error == pytest.approx(net.std() / 20)
    assert summed.error == pytest.approx(np.sqrt((net**2).sum()))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-100, 100), min_size=2, max_size=60))
def test_a_standard_error_is_that_of_the_mean(sent: list[int]) -> None:
    rewards = [float(one) for one in sent]
    found = value(Formula.MEAN_REWARD, folded(rewards, [3.0] * len(rewards)))

    expected, error = float(np.std(rewards)) / len(rewards) ** 0.5, found.error or 0.0
    middle = np.mean(rewards)
    rare = 2 * sum(sent) ** 2 < len(sent) * sum(one * one for one in sent)
    assert error >= expected - 1e-5
    assert rare or len(set(sent)) == 1 or error == pytest.approx(expected, abs=1e-5)
    assert not any(sent) or error > 0, "luck makes nothing certain"
    assert not any(sent) or found.interval == pytest.approx(
        (middle - 3 * error, middle + 3 * error), abs=1e-4
    )


def test_a_healthy_kpi_at_its_threshold_is_hardly_ever_missed_for_certain() -> None:
    rng = np.random.default_rng(11)
    said = []
    for rate in (0.02, 0.05, 0.3):
        for _ in range(400):
            rewards = (rng.random(500) < rate).astype(float).tolist()
            found = value(Formula.CONVERSION_RATE, folded(rewards, [0.0] * 500))
            limits = (Direction.AT_LEAST, rate, rate / 10)
            beyond = bool(missed(found, *limits))
            said.append((beyond, beyond and certain(found, *limits)))

    by_chance, surely = np.mean(said, axis=0)
    assert by_chance > 0.15, "points alone are missed by chance"
    assert surely < 0.01
    halved = (rng.random(4_000) < 0.05).astype(float).tolist()
    found = value(Formula.CONVERSION_RATE, folded(halved, [0.0] * 4_000))
    assert missed(found, Direction.AT_LEAST, 0.1, 0.01)
    assert certain(found, Direction.AT_LEAST, 0.1, 0.01)


@pytest.mark.parametrize("direction", list(Direction))
def test_a_tolerance_is_no_coin_that_is_tossed(direction: Direction) -> None:
    """Of a truth that stands right where a miss begins, a look in a thousand says one."""
    rng = np.random.default_rng(4)
    side = 1.0 if direction is Direction.AT_LEAST else -1.0
    limits = (direction, 100.0 * side, 10.0)
    said = {90.0: 0, 85.0: 0}
    for truth in said:
        for _ in range(2_000):
            rewards = rng.normal(truth * side, 20.0, 400)
            done = Performance(
                rewarded=400, reward=float(rewards.sum()),
                reward_squared=float((rewards**2).sum()),
            )  # fmt: skip
            found = value(Formula.MEAN_REWARD, done)
            said[truth] += bool(missed(found, *limits)) and certain(found, *limits)

    assert said[90.0] <= 8, "it was every second"
    assert said[85.0] > 1_900


def test_what_is_reported_is_as_certain_as_it_is_said() -> None:
    assert certain(Found(3.0, 1), Direction.AT_LEAST, 3.0001, 0.0)


def test_every_metric_that_a_baseline_promises_is_a_formula_too() -> None:
    metrics = {one.value for one in Formula} & METRICS.keys()

    assert METRICS.keys() - metrics == {"reward", "conversion", "cost"}


@pytest.mark.parametrize("formula", [one for one in Formula if value(one, DONE).value is not None])
def test_without_outcomes_no_kpi_has_a_value_and_none_is_missed(formula: Formula) -> None:
    found = value(formula, Performance())

    assert found.value is None
    assert missed(found, Direction.AT_LEAST, 1e9, 0.0) is None
    assert not certain(found, Direction.AT_LEAST, 1e9, 0.0)
    assert not gravely(formula, found, Direction.AT_LEAST, 1e9, 0.0)


@pytest.mark.parametrize(
    ("formula", "terms", "said"),
    [
        (Formula.ACCURACY, (85.0, 0.0, None, None), "accuracy is a share, from 0 to 1"),
        (Formula.AUC, (-0.1, 0.0, None, None), "threshold is -0.1"),
        (Formula.F1, (0.5, 0.0, 60.0, None), "target is 60"),
        (Formula.CONVERSION_RATE, (1.1, 0.0, None, None), "share"),
        (Formula.RMSE, (-1.0, 0.0, None, None), "rmse is never below 0"),
        (Formula.ACCURACY, (0.8, 0.0, None, "AUD"), "no money"),
        (Formula.LOG_LOSS, (0.8, 0.0, None, "AUD"), "no money"),
        (Formula.MEAN_REWARD, (0.8, 0.0, 0.7, None), "below the threshold"),
        (Formula.ACCURACY, (0.8, 5.0, None, None), "with its tolerance accuracy"),
        (Formula.ECE, (0.1, 0.91, None, None), "missed beyond 1.01"),
        (Formula.RECALL, (0.0, 0.0, 1.0, None), None),
        (Formula.NET_VALUE, (-3.0, 9.0, 5.0, "AUD"), None),
        (Formula.MAE, (3.0, 9.0, 3.0, "AUD"), None),
        (Formula.PUSHED, (85.0, 99.0, None, "AUD"), None),
        (Formula.BIAS, (-1.0, 0.0, None, None), None),
    ],
)
def test_what_could_never_be_met_or_missed_is_a_fault(
    formula: Formula, terms: tuple[float, float, float | None, str | None], said: str | None
) -> None:
    found = fault(formula, better(formula), *terms)

    assert found is None if said is None else said in str(found)


def test_of_errors_less_is_better_and_nobody_agrees_on_more() -> None:
    less = {one for one in Formula if better(one) is Direction.AT_MOST}
    turned = {
        (formula, direction)
        for formula in Formula
        for direction in Direction
        if "is better" in str(fault(formula, direction, 0.5, 0.0, None, None))
    }

    errors = {Formula.LOG_LOSS, Formula.BRIER, Formula.ECE, Formula.MAE, Formula.RMSE}
    goods = {Formula.ACCURACY, Formula.PRECISION, Formula.RECALL, Formula.F1, Formula.AUC}
    assert less == errors | {Formula.MEAN_COST}
    assert turned == {(one, Direction.AT_LEAST) for one in errors} | {
        (one, Direction.AT_MOST) for one in goods
    }


@given(st.sampled_from(Formula), st.floats(0, 1), st.floats(0, 1))
def test_a_target_lies_on_the_good_side_of_its_threshold(
    formula: Formula, threshold: float, target: float
) -> None:
    direction = better(formula)
    hoped = target >= threshold if direction is Direction.AT_LEAST else target <= threshold

    assert (fault(formula, direction, threshold, 0.0, target, None) is None) is hoped


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.floats(-1e6, 1e6), st.floats(0, 1e3))
def test_an_estimate_is_missed_only_if_all_of_its_interval_is(
    middle: float, radius: float, threshold: float, tolerance: float
) -> None:
    found = Found(middle, 500, middle - radius, middle + radius)

    low = missed(found, Direction.AT_LEAST, threshold, tolerance)
    high = missed(found, Direction.AT_MOST, threshold, tolerance)

    assert low == (middle + radius < threshold - tolerance)
    assert high == (middle - radius > threshold + tolerance)
    assert not (low and high)
    for direction, far in ((Direction.AT_LEAST, low), (Direction.AT_MOST, high)):
        sure = certain(found, direction, threshold, tolerance)
        begins = limit(direction, threshold, tolerance)
        assert sure is not (middle - radius <= begins <= middle + radius)
        assert sure or not far


@given(st.floats(-1e6, 1e6), st.floats(0, 1e3), st.floats(-1e6, 1e6), st.sampled_from(Direction))
def test_what_is_missed_gravely_is_missed(
    found: float, tolerance: float, threshold: float, direction: Direction
) -> None:
    terms = (Found(found, 500), direction, threshold, tolerance)

    grave = gravely(Formula.MEAN_REWARD, *terms)

    assert not grave or missed(*terms)


@pytest.mark.parametrize(
    ("value", "error", "threshold", "grave"),
    [
        (0.5, 0.01, 1.0, True),
        (0.5, 0.09, 1.0, False),  # six errors are more than half of it
        (0.95, 0.0001, 1.0, False),  # certain, and next to nothing
        (0.89, 0.0001, 1.0, True),
        (1.2, 0.0001, 1.0, False),
        (-0.01, 0.001, 0.0, True),
        (-0.01, 0.002, 0.0, False),
        (40.0, None, 100.0, True),  # as it was reported
        (91.0, None, 100.0, False),
        (-2.0, None, -1.0, True),
    ],
)
def test_of_what_tolerates_nothing_it_is_what_is_far_beyond_chance_and_no_trifle(
    value: float,
    error: float | None,
    threshold: float,
    grave: bool,  # noqa: FBT001 - a table's column
) -> None:
    found = Found(value, 500, error=error)
    mirrored = Found(-value, 500, error=error)

    least = gravely(Formula.MEAN_REWARD, found, Direction.AT_LEAST, threshold, 0.0)
    most = gravely(Formula.MEAN_REWARD, mirrored, Direction.AT_MOST, -threshold, 0.0)

    assert (least, most) == (grave, grave)
    assert not grave or certain(found, Direction.AT_LEAST, threshold, 0.0)
    assert not gravely(Formula.MEAN_REWARD, Found(None, 0), Direction.AT_LEAST, threshold, 0.0)


def test_by_more_than_twice_its_tolerance_and_surely_of_an_uplift() -> None:
    def grave(formula: Formula, *found: float) -> bool:
        low, high = found[1:] or (None, None)
        return gravely(formula, Found(found[0], 500, low, high), Direction.AT_LEAST, 1.0, 0.25)

    assert [grave(Formula.MEAN_REWARD, value) for value in (0.74, 0.5, 0.49)] == [
        False, False, True,
    ]  # fmt: skip
    assert grave(Formula.UPLIFT, 0.7, 0.66, 0.74)
    assert not grave(Formula.UPLIFT, 0.1, -0.6, 0.8)
