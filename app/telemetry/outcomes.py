"""What outcomes add to a profile: score bin × label, hits, losses, errors, money. Pure.

Every figure is a count or an exact sum over single rows: an outcome that is corrected is taken out
again by subtracting what it had added.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.kit.arrays import Floats, Ints
from app.kit.exact import GREATEST, Sums
from app.telemetry.layout import SCORE_EDGES
from app.telemetry.performance import EDGES, FINE, Performance
from app.telemetry.tally import Tally

BINS = len(SCORE_EDGES) + 1
LABELLED, HIT, REWARD, REWARD_SQUARED, CONVERSION, LABEL = range(2 * BINS, 2 * BINS + 6)
_FIRST = 2 * BINS + 6
"""So many slots had the first release: the hundredths by label, and the six."""
_SCORED = _FIRST + 2 * FINE
(
    TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE, ERROR, ABSOLUTE, SQUARED, FOURTH, LOSS,
    LOSS_SQUARED, COST, COST_SQUARED, VALUED,
) = range(_SCORED, _SCORED + 12)  # fmt: skip
PAIRED, PAIRED_REWARD, PAIRED_COST = range(_SCORED + 12, _SCORED + 15)
"""Of decisions with a reward and a cost: how many and Σ(reward-cost)², Σreward², Σcost². An hour
that a release before folded lacks them: so many pairs fewer it counts than it has."""
NO_REWARD, NO_COST, NO_NET = range(_SCORED + 15, _SCORED + 18)
"""Rewards, costs and net values of 0: where few bring anything, a mean says little."""
SLOTS = _SCORED + 18
THRESHOLD = 0.5
"""A probability of at least this counts as a positive prediction, unless one was sent."""
_LEAST = 1e-15
"""A probability nearer to 0 or 1 loses as much as this one: a sure error is not infinite."""


class Labelled(NamedTuple):
    """One scored event with its outcome; NaN where something was not sent."""

    hour: int
    score: float
    prediction: float
    label: float
    reward: float
    cost: float = np.nan


def fold(rows: Sequence[Labelled]) -> Tally:
    """Return the tally of one hour's outcomes."""
    _, *columns = np.array(rows, np.float64).reshape(len(rows), len(Labelled._fields)).T
    return fold_columns(*columns)


class _Folding:
    """Counts and values by slot, until they are summed."""

    def __init__(self, rows: int) -> None:
        self.found = Tally.empty(SLOTS, 0)
        self.found.n = rows
        self._places: list[Ints] = []
        self._values: list[Floats] = []

    def count(self, slot: int, of: NDArray[np.bool_]) -> None:
        self.found.counts[slot] += int(np.count_nonzero(of))

    def add(self, slot: int, column: Floats) -> None:
        known = column[~np.isnan(column)]
        self.found.counts[slot] += len(known)
        self._places.append(np.full(len(known), slot, np.int64))
        self._values.append(np.clip(known, -GREATEST, GREATEST))

    def place(self, slots: Ints, values: Floats) -> None:
        self.found.counts += np.bincount(slots, minlength=SLOTS)
        self._places.append(slots)
        self._values.append(values)

    def summed(self) -> Tally:
        places, values = np.concatenate(self._places), np.concatenate(self._values)
        self.found.take_sums(Sums.of(places, values, SLOTS))
        return self.found


def fold_columns(
    score: Floats, prediction: Floats, label: Floats, reward: Floats, cost: Floats
) -> Tally:
    """Return the tally of outcomes by column, all equally long; NaN where something is unknown."""
    found = _Folding(len(score))
    # What is no class says something of a number, which the errors below are about.
    truth = label == 1.0
    classed = truth | (label == 0.0)
    found.count(LABEL, truth)
    scored = classed & ~np.isnan(score)
    slot = _FIRST + 2 * np.searchsorted(EDGES, score[scored], side="right") + truth[scored]
    found.place(slot, score[scored])
    answer = np.where(np.isnan(prediction), score, prediction)
    judged = classed & ~np.isnan(answer)
    positive = answer >= THRESHOLD
    found.count(LABELLED, judged)
    found.count(HIT, judged & (positive == truth))
    found.count(TRUE_POSITIVE, judged & positive & truth)
    found.count(FALSE_POSITIVE, judged & positive & ~truth)
    found.count(FALSE_NEGATIVE, judged & ~positive & truth)
    with np.errstate(over="ignore"):
        error = score - label
        found.add(ERROR, error)
        found.add(ABSOLUTE, np.abs(error))
        found.add(SQUARED, error**2)
        found.add(FOURTH, error**4)
        likely = scored & (score >= 0.0) & (score <= 1.0)
        given = np.clip(np.where(truth, score, 1.0 - score)[likely], _LEAST, 1.0)
        found.add(LOSS, -np.log(given))
        found.add(LOSS_SQUARED, np.log(given) ** 2)
        _fold_money(found, reward, cost)
    return found.summed()


def _fold_money(found: _Folding, reward: Floats, cost: Floats) -> None:
    found.add(REWARD, reward)
    found.add(REWARD_SQUARED, reward**2)
    found.add(COST, cost)
    found.add(COST_SQUARED, cost**2)
    net = reward - cost  # of what has both
    found.add(PAIRED, net**2)
    pair = ~np.isnan(net)
    found.add(PAIRED_REWARD, reward[pair] ** 2)
    found.add(PAIRED_COST, cost[pair] ** 2)
    valued = ~(np.isnan(reward) & np.isnan(cost))
    found.count(CONVERSION, reward > 0)
    found.count(VALUED, valued)
    found.count(NO_REWARD, reward == 0.0)
    found.count(NO_COST, cost == 0.0)
    found.count(NO_NET, valued & (np.nan_to_num(reward) == np.nan_to_num(cost)))


def correction(before: Sequence[Labelled], after: Sequence[Labelled]) -> Tally:
    """Return what makes of outcomes that were folded the ones that are true."""
    found, less = fold(after), fold(before)
    found.n -= less.n
    found.counts -= less.counts
    exact = [Sums.of(np.arange(SLOTS), one, SLOTS) for one in (found.sums, -less.sums)]
    rests = [found.rest, less.rest and less.rest.negative()]
    found.take_sums(Sums.total([*exact, *(rest for rest in rests if rest)], SLOTS))
    return found


def performance(found: Tally | None) -> Performance:
    """Read a tally of outcomes."""
    if found is None:
        found = Tally.empty(SLOTS, 0)
    found = found.wider(SLOTS)
    counts, sums = found.counts, found.sums
    return Performance(
        labelled=int(counts[LABELLED]),
        hits=int(counts[HIT]),
        positives=int(counts[LABEL]),
        true_positives=int(counts[TRUE_POSITIVE]),
        false_positives=int(counts[FALSE_POSITIVE]),
        false_negatives=int(counts[FALSE_NEGATIVE]),
        rewarded=int(counts[REWARD]),
        reward=float(sums[REWARD]),
        reward_squared=float(sums[REWARD_SQUARED]),
        conversions=int(counts[CONVERSION]),
        costed=int(counts[COST]),
        cost=float(sums[COST]),
        cost_squared=float(sums[COST_SQUARED]),
        # Hours that an earlier release folded do not say it: so many there were at least.
        valued=max(int(counts[one]) for one in (VALUED, REWARD, COST)),
        paired=int(counts[PAIRED]),
        paired_net_squared=float(sums[PAIRED]),
        paired_reward_squared=float(sums[PAIRED_REWARD]),
        paired_cost_squared=float(sums[PAIRED_COST]),
        no_reward=int(counts[NO_REWARD]),
        no_cost=int(counts[NO_COST]),
        no_net=int(counts[NO_NET]),
        erred=int(counts[ERROR]),
        error=float(sums[ERROR]),
        absolute_error=float(sums[ABSOLUTE]),
        squared_error=float(sums[SQUARED]),
        fourth_error=float(sums[FOURTH]),
        lost=int(counts[LOSS]),
        loss=float(sums[LOSS]),
        loss_squared=float(sums[LOSS_SQUARED]),
        hundredths=counts[: 2 * BINS].reshape(BINS, 2),
        fine=counts[_FIRST:_SCORED].reshape(FINE, 2),
        scores=sums[_FIRST:_SCORED].reshape(FINE, 2),
    )
