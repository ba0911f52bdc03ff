"""What scopes are made of, how they stand, and the sums of their KPIs."""

from math import isclose
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kpi.money import disagreement
from app.kpi.rules import ATTRIBUTED, Formula
from app.kpi.scopes.rules import (
    ScopeFormula,
    Standing,
    announces,
    stands,
    union,
    value,
)
from app.telemetry import Performance

KEYS = st.lists(st.sampled_from("abcdef"), max_size=8)


@given(KEYS, st.lists(KEYS, max_size=5))
def test_a_portfolio_is_of_every_point_once_and_of_no_other(
    own: list[str], others: list[list[str]]
) -> None:
    found = union(own, *others)

    assert len(found) == len(set(found))
    assert set(found) == set().union(own, *others)
    # In whatever order, and however often a process is named.
    assert found == union([], *reversed(others), own, *others)
    assert union(found) == found


@given(st.dictionaries(st.sampled_from(["AUD", "EUR", "USD"]), KEYS))
def test_currencies_disagree_as_soon_as_two_stand_somewhere(agreed: dict[str, list[str]]) -> None:
    named = {currency for currency, where in agreed.items() if where}

    found = disagreement(agreed)

    assert (found is not None) is (len(named) > 1)
    assert found is None or set(found) == named


def test_every_formula_of_a_point_is_one_of_a_scope() -> None:
    assert {one.value for one in Formula} <= {one.value for one in ScopeFormula}
    assert {one.value for one in ATTRIBUTED} == {"uplift", "uplift_across"}


STATES = st.sampled_from([None, True, False])


@given(st.lists(st.tuples(STATES, st.booleans()), max_size=30))
def test_misses_and_their_ends_are_told_in_turn_and_only_when_certain(
    looks: list[tuple[bool | None, bool]],
) -> None:
    before: Standing | None = None
    told = []
    for missed, certain in looks:
        now = stands(missed=missed, certain=certain)
        assert (now is Standing.MISSED) is (missed is True and certain)
        if announces(before, now):
            told.append(now)
        before = before if now is Standing.UNKNOWN else now

    assert told == [Standing.MISSED, Standing.MET] * (len(told) // 2) + [Standing.MISSED] * (
        len(told) % 2
    )


def test_of_nothing_there_is_no_sum() -> None:
    for formula in (ScopeFormula.TOTAL_COST, ScopeFormula.TOTAL_REWARD):
        assert value(formula, Performance()).value is None


def test_a_sum_s_error_is_what_it_differs_by_where_the_number_of_decisions_differs() -> None:
    """Against what many days come to that are of the same process."""
    rng = np.random.default_rng(5)
    sums, errors = [], []
    for _ in range(2000):
        rewards = rng.gamma(2.0, 3.0, rng.poisson(300))
        done = Performance(
            rewarded=len(rewards), reward=float(rewards.sum()), valued=len(rewards),
            reward_squared=float((rewards**2).sum()),
        )  # fmt: skip
        found = value(ScopeFormula.TOTAL_NET_VALUE, done)
        sums.append(found.value)
        errors.append(found.error)

    assert isclose(float(np.std(np.array(sums))), float(np.mean(np.array(errors))), rel_tol=0.04)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [("total_reward", (30.0, 3)), ("total_cost", (4.0, 2)), ("total_net_value", (26.0, 4))],
)
def test_sums_are_of_what_is_known(formula: str, expected: Any) -> None:
    done = Performance(
        rewarded=3, reward=30.0, reward_squared=500.0, costed=2, cost=4.0, cost_squared=10.0,
        valued=4, paired=1, paired_net_squared=64.0, paired_reward_squared=81.0,
        paired_cost_squared=1.0,
    )  # fmt: skip

    found = value(ScopeFormula(formula), done)

    assert (found.value, found.outcomes) == expected
    assert "of 4" in (found.few or "") or formula != "total_net_value"
