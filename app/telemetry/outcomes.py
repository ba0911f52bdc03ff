"""What outcomes add to a profile: score bin × label, hits, losses, errors, money. Pure.

Every figure is a count or an exact sum over single rows: an outcome that is corrected is taken out
again by subtracting what it had added.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.kit.arrays import Floats, Ints
from app.telemetry.layout import SCORE_EDGES
from app.telemetry.performance import EDGES, FINE, Performance
from app.telemetry.sheaf import Sheaf, portions
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
_ROWS = 1 << 11
"""So many outcomes are folded at a time, or one profile's if they are more."""
_LEAST = 1e-15
"""A probability nearer to 0 or 1 loses as much as this one: a sure error is not infinite."""


class Labelled(NamedTuple):
    """One scored event with its outcome; NaN where something was not sent."""

    score: float
    prediction: float
    label: float
    reward: float
    cost: float = np.nan


class _Folding:
    """What rows say, by the profile that each counts in; -1 takes a row out again."""

    def __init__(self, whose: Ints, signs: Ints, profiles: int) -> None:
        rows = np.zeros(profiles, np.int64)
        np.add.at(rows, whose, signs)
        self.sheaf = Sheaf(rows.tolist(), [SLOTS] * profiles, np.zeros((profiles, 0, 2)))
        self._begins, self._signs = whose * SLOTS, signs

    def count(self, slot: int, of: NDArray[np.bool_]) -> None:
        self.sheaf.count(self._begins[of] + slot, self._signs[of])

    def add(self, slot: int | Ints, column: Floats, of: NDArray[np.bool_] | None = None) -> None:
        """Count and add up what is known of a column, of some rows only."""
        of = ~np.isnan(column) if of is None else of
        places, signs = self._begins[of] + slot, self._signs[of]
        self.sheaf.count(places, signs)
        self.sheaf.add(places, signs * column[of])


def _gathered(columns: Sequence[Floats], whose: Ints, signs: Ints, profiles: int) -> Sheaf:
    found = _Folding(whose, signs, profiles)
    score, prediction, label, reward, cost = columns
    # What is no class says something of a number, which the errors below are about.
    truth = label == 1.0
    classed = truth | (label == 0.0)
    found.count(LABEL, truth)
    scored = classed & ~np.isnan(score)
    slot = _FIRST + 2 * np.searchsorted(EDGES, score[scored], side="right") + truth[scored]
    found.add(slot, score, scored)
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
        given = np.clip(np.where(truth, score, 1.0 - score), _LEAST, 1.0)
        found.add(LOSS, -np.log(given), likely)
        found.add(LOSS_SQUARED, np.log(given) ** 2, likely)
        _fold_money(found, reward, cost)
    return found.sheaf


def _fold_money(found: _Folding, reward: Floats, cost: Floats) -> None:
    found.add(REWARD, reward)
    found.add(REWARD_SQUARED, reward**2)
    found.add(COST, cost)
    found.add(COST_SQUARED, cost**2)
    net = reward - cost  # of what has both
    pair = ~np.isnan(net)
    found.add(PAIRED, net**2)
    found.add(PAIRED_REWARD, reward**2, pair)
    found.add(PAIRED_COST, cost**2, pair)
    valued = ~(np.isnan(reward) & np.isnan(cost))
    found.count(CONVERSION, reward > 0)
    found.count(VALUED, valued)
    found.count(NO_REWARD, reward == 0.0)
    found.count(NO_COST, cost == 0.0)
    found.count(NO_NET, valued & (np.nan_to_num(reward) == np.nan_to_num(cost)))


def fold_each(
    rows: Sequence[Labelled], whose: Sequence[int], signs: Sequence[int], profiles: int
) -> list[tuple[int, bytes]]:
    """Return how many rows each of some profiles gets, and what: -1 of what leaves it again."""
    order = np.argsort(whose, kind="stable")
    table = np.array(rows, np.float64).reshape(len(rows), len(Labelled._fields))[order]
    places, ways = np.array(whose, np.int64)[order], np.array(signs, np.int64)[order]
    sizes = np.bincount(places, minlength=profiles).tolist()
    found: list[tuple[int, bytes]] = []
    for some in portions(sizes, _ROWS):
        mine = slice(*np.searchsorted(places, (some.start, some.stop)))
        columns, own = list(table[mine].T), places[mine] - some.start
        found += _gathered(columns, own, ways[mine], some.stop - some.start).written()
    return found


def fold_columns(
    score: Floats, prediction: Floats, label: Floats, reward: Floats, cost: Floats
) -> Tally:
    """Return the tally of outcomes by column, all equally long; NaN where something is unknown."""
    columns, rows = (score, prediction, label, reward, cost), len(score)
    whole = _gathered(columns, np.zeros(rows, np.int64), np.ones(rows, np.int64), 1)
    ((_, payload),) = whole.written()
    return Tally.decode(payload)


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
