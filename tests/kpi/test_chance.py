"""Few outcomes, rare ones and totals: what is certain of them, on streams whose truth is known."""

from typing import Any

import numpy as np
import pytest

from app.kpi.computed import value
from app.kpi.rules import Direction, Formula, Found, Prices, certain, missed
from app.kpi.scopes.formula import Expression, Quantities
from app.kpi.scopes.rules import ScopeFormula, judged
from app.kpi.scopes.rules import value as of_scope
from app.kpi.scopes.spread import error_of, few_of
from app.telemetry import Performance
from app.telemetry.outcomes import Labelled, fold_columns, performance
from tests.telemetry.folds import fold


def paid(rewards: Any, costs: Any = None) -> Performance:
    """What is known of decisions that brought, and cost, so much each."""
    unknown = np.full(len(rewards), np.nan)
    return performance(
        fold_columns(unknown, unknown, unknown, rewards, unknown if costs is None else costs)
    )


@pytest.mark.parametrize("formula", [ScopeFormula.MEAN_REWARD, ScopeFormula.TOTAL_REWARD])
@pytest.mark.parametrize("expected", [20, 50, 100, 200, 500, 1000])
def test_rare_successes_at_or_above_the_threshold_are_no_miss_on_days_of_bad_luck(
    formula: ScopeFormula, expected: int
) -> None:
    """Two in a hundred bring 100 each, of a mean of 2; it was a third of the days."""
    rng = np.random.default_rng(expected)
    told = 0
    for _ in range(800):
        count = int(rng.poisson(expected)) if formula is ScopeFormula.TOTAL_REWARD else expected
        found = of_scope(formula, paid((rng.random(count) < 0.02) * 100.0))
        times = expected if formula is ScopeFormula.TOTAL_REWARD else 1
        limits = (Direction.AT_LEAST, 2.0 * times, 0.0)
        told += bool(missed(found, *limits)) and certain(found, *limits)
        assert found.few is not None or found.outcomes >= 30 or formula.value == "total_reward"

    assert told <= 3


@pytest.mark.parametrize("varies", [0.0, 0.1, 0.3])
def test_a_total_is_missed_for_certain_where_days_of_so_much_business_bring_less(
    varies: float,
) -> None:
    """It is no estimate of other days: a day of less business is missed, as it was."""
    rng = np.random.default_rng(8)
    limits = (Direction.AT_LEAST, 9_500.0, 0.0)
    told = {True: 0, False: 0}
    slack = 0
    for _ in range(1_000):
        business = max(float(rng.normal(1.0, varies)), 0.05)
        rewards = rng.gamma(4, 2.5, int(rng.poisson(1_000 * business)))
        found = of_scope(ScopeFormula.TOTAL_REWARD, paid(rewards))
        surely = bool(missed(found, *limits)) and certain(found, *limits)
        told[10_000 * business >= 9_500] += surely
        slack += 10_000 * business < 7_500 and not surely

    assert told[True] <= 4
    assert slack == 0, "a day of three quarters of the business is told"
    assert told[False] > 1_000 * {0.0: -1, 0.1: 0.02, 0.3: 0.2}[varies]


FORMULAS = ["net_value", "total_net_value", "(reward - cost) / decisions", "reward - cost"]


@pytest.mark.parametrize("formula", [*FORMULAS, "conversions * 50 / decisions"])
@pytest.mark.parametrize("expected", [50, 100, 200, 1000])
def test_rare_successes_beside_costs_of_everyone_are_no_miss_either(
    formula: str, expected: int
) -> None:
    """Every contact costs about 1, two in a hundred bring 100: it was told on a third of days."""
    rng = np.random.default_rng(expected)
    told = 0
    for _ in range(400):
        count = int(rng.poisson(expected))
        rewards, costs = (rng.random(count) < 0.02) * 100.0, rng.gamma(4, 0.25, count)
        done = paid(rewards, costs)
        if formula in {one.value for one in ScopeFormula}:
            found = of_scope(ScopeFormula(formula), done)
        else:
            found = reckoned(formula, done)
        adds = "total" in formula or formula == "reward - cost"
        limits = (Direction.AT_LEAST, 1.0 * expected if adds else 1.0, 0.0)
        told += bool(missed(found, *limits)) and certain(found, *limits)

    assert told <= 2


def reckoned(text: str, done: Performance) -> Found:
    expression, over = Expression.read(text), Quantities(done, {"p": done}, {})
    few = few_of(expression, over, done.valued)
    error = error_of(expression, over)
    return Found(expression.reckon(over), done.valued, error=error, few=few)


def test_what_halves_is_found_and_amounts_that_differ_cry_wolf_seldom() -> None:
    rng = np.random.default_rng(3)
    limits = (Direction.AT_LEAST, 2.0, 0.0)
    halved, lopsided = 0, 0
    for _ in range(500):
        found = value(Formula.MEAN_REWARD, paid((rng.random(3_000) < 0.01) * 100.0))
        halved += bool(missed(found, *limits)) and certain(found, *limits)
        amounts = rng.lognormal(0, 1, 300) * (2.0 / np.exp(0.5))
        found = value(Formula.MEAN_REWARD, paid(amounts))
        lopsided += bool(missed(found, *limits)) and certain(found, *limits)

    assert halved > 400
    assert lopsided < 15


@pytest.mark.parametrize("outcomes", [1, 5, 29])
def test_of_one_decision_or_some_no_miss_is_certain_and_it_is_said_why(outcomes: int) -> None:
    rows = [Labelled(0.9, float("nan"), 0.0, 0.0, 0.0)] * outcomes
    done = performance(fold(rows))

    for formula in Formula:
        found = value(formula, done, Prices(1.0, -5.0, -5.0, 1.0))
        if found.value is not None:
            assert f"{outcomes} outcomes say little" in (found.few or "")
            for direction in Direction:
                assert not certain(found, direction, found.value + 1e6, 0.0)
                assert not certain(found, direction, found.value - 1e6, 0.0)


def test_outcomes_that_are_all_alike_are_not_certain_to_the_last_digit() -> None:
    nan = float("nan")
    done = performance(fold([Labelled(0.9, nan, 1.0, 7.0, 5.0)] * 60))

    alike = ("accuracy", "recall", "f1", "mean_reward", "net_value", "mean_cost", "mae", "log_loss")
    for formula in map(Formula, alike):
        found = value(formula, done)
        assert found.few is None
        assert 0.01 < (found.error or 0) / abs(found.value or 1) < 0.2, formula


def test_where_nothing_brought_anything_no_miss_is_certain() -> None:
    idle = paid(np.zeros(5_000))
    found = value(Formula.MEAN_REWARD, idle)

    assert "of 5000 outcomes 0 brought" in (found.few or "")
    assert not certain(found, Direction.AT_LEAST, 1.0, 0.0)
    assert judged(ScopeFormula.MEAN_REWARD, found, missed=True) is None
    # What is met by that is met: a cost of nothing.
    assert judged(ScopeFormula.MEAN_COST, found, missed=False) is False
