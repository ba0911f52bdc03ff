from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.telemetry.outcomes import (
    CONVERSION,
    PAIRED,
    REWARD,
    Labelled,
    performance,
)
from app.telemetry.tally import Tally, merged, total
from tests.telemetry.folds import correction, fold

NAN = float("nan")
PROBABILITIES = st.floats(0, 1) | st.floats(-1e9, 1e9) | st.sampled_from([0.5, NAN])
LABELS = st.sampled_from([0.0, 1.0, NAN])
REWARDS = st.integers(-1000, 1000).map(float) | st.just(NAN)


def rows() -> st.SearchStrategy[list[Labelled]]:
    one = st.builds(
        Labelled,
        score=PROBABILITIES,
        prediction=LABELS,
        label=LABELS | st.sampled_from([0.7, -1.0, 2.0]),  # the last three are no class
        reward=REWARDS,
        cost=st.floats(0, 1e9) | st.just(NAN),
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


MONEY = st.integers(-1000, 1000).map(float) | st.just(NAN)
PAIRS = st.lists(st.tuples(MONEY, MONEY), max_size=30)


def brought(pairs: list[tuple[float, float]]) -> list[Labelled]:
    return [Labelled(NAN, NAN, NAN, reward, cost) for reward, cost in pairs]


def net(pairs: list[tuple[float, float]]) -> list[float]:
    """The net value of each of which something is known; what is not known is 0."""
    return [
        (0.0 if isnan(reward) else reward) - (0.0 if isnan(cost) else cost)
        for reward, cost in pairs
        if not (isnan(reward) and isnan(cost))
    ]


def of_the_release_before(found: Tally) -> Tally:
    """As it folded them: it knew of no slots behind these."""
    found = Tally.decode(found.encode())
    found.counts[PAIRED:], found.sums[PAIRED:] = 0, 0.0
    return Tally(found.n, found.counts[:PAIRED], found.sums[:PAIRED], found.moments)


@settings(max_examples=200, deadline=None)
@given(PAIRS, PAIRS)
def test_squares_of_net_values_are_summed_and_of_hours_folded_before_they_lie_between(
    new: list[tuple[float, float]], old: list[tuple[float, float]]
) -> None:
    before = of_the_release_before(fold(brought(old)))
    exact, mixed = performance(fold(brought(new))), performance(total([fold(brought(new)), before]))

    assert exact.net_squared == (sum(one**2 for one in net(new)),) * 2
    whole = sum(one**2 for one in net(new + old))
    least, most = mixed.net_squared
    assert least * (1 - 1e-9) <= whole <= most * (1 + 1e-9)
    assert exact.no_net == net(new).count(0.0)
    assert exact.no_reward == sum(reward == 0 for reward, _ in new)
    assert exact.no_cost == sum(cost == 0 for _, cost in new)


@settings(max_examples=100, deadline=None)
@given(rows(), rows())
def test_while_an_upgrade_runs_either_release_adds_up_what_both_folded(
    one: list[Labelled], two: list[Labelled]
) -> None:
    """The release before reads any number of slots, and keeps those that it knows nothing of."""
    mine, its = fold(one), of_the_release_before(fold(two))
    stored = Tally.decode(merged([Tally.decode(mine.encode()), its]).encode())
    every = fold(one + two)

    assert np.array_equal(stored.counts[:PAIRED], every.counts[:PAIRED])
    assert np.array_equal(stored.counts[PAIRED:], mine.counts[PAIRED:])
    assert np.array_equal(stored.sums[PAIRED:], mine.sums[PAIRED:])
    assert performance(stored).valued == performance(every).valued


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(MONEY, MONEY, MONEY, MONEY, st.booleans()), max_size=20))
def test_what_was_folded_before_and_is_corrected_since_is_bounded_too(
    some: list[tuple[float, float, float, float, bool]],
) -> None:
    was, now = [one[:2] for one in some], [one[2:4] if one[4] else one[:2] for one in some]
    changed = [place for place, one in enumerate(some) if one[4]]
    before, after = (brought([said[place] for place in changed]) for said in (was, now))

    done = performance(
        merged([of_the_release_before(fold(brought(was))), correction(before, after)])
    )

    whole = sum(one**2 for one in net(now))
    least, most = done.net_squared
    assert least * (1 - 1e-9) - 1e-6 <= whole <= most * (1 + 1e-9) + 1e-6


@settings(max_examples=100, deadline=None)
@given(rows(), rows())
def test_performance_of_two_hours_is_that_of_all_their_rows(
    one: list[Labelled], two: list[Labelled]
) -> None:
    apart, together = performance(total([fold(one), fold(two)])), performance(fold(one + two))

    for field in ("labelled", "accuracy", "positives", "rewarded", "reward", "conversions"):
        assert getattr(apart, field) == getattr(together, field)
    assert np.array_equal(apart.fine, together.fine)
    assert merged([fold(one), fold(two)]).encode() == fold(one + two).encode()


@settings(max_examples=100, deadline=None)
@given(rows(), rows(), rows())
def test_what_is_corrected_leaves_no_trace_of_what_it_was(
    kept: list[Labelled], before: list[Labelled], after: list[Labelled]
) -> None:
    found = merged([fold(kept + before), correction(before, after)])

    assert found.encode() == fold(kept + after).encode()


@pytest.mark.parametrize("reward", [1e154, -1e200, 1.7e308])
def test_no_reward_is_too_large_to_be_folded(reward: float) -> None:
    found = fold([Labelled(0.5, NAN, 1.0, reward), Labelled(0.5, NAN, 1.0, 1.0)])

    assert found.counts[REWARD] == 2
    assert found.counts[CONVERSION] == 1 + (reward > 0)


def test_no_outcomes_say_nothing() -> None:
    for found in (None, fold([]), Tally.empty(len(fold([]).counts), 0)):
        done = performance(found)
        assert (done.labelled, done.accuracy, done.auc, done.mean_reward) == (0, None, None, None)
        assert done.standard_error == float("inf")


def test_the_standard_error_is_that_of_a_share() -> None:
    done = performance(fold([Labelled(0.9, NAN, float(i < 80), NAN) for i in range(100)]))

    assert done.accuracy == 0.8
    assert done.standard_error == pytest.approx(0.04)
