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
SLOTS = _SCORED + 12
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


def fold_columns(
    score: Floats, prediction: Floats, label: Floats, reward: Floats, cost: Floats
) -> Tally:
    """Return the tally of outcomes by column, all equally long; NaN where something is unknown."""
    found = Tally.empty(SLOTS, 0)
    found.n = len(score)
    places: list[Ints] = []
    values: list[Floats] = []

    def count(slot: int, of: NDArray[np.bool_]) -> None:
        found.counts[slot] += int(np.count_nonzero(of))

    def add(slot: int, column: Floats) -> None:
        known = column[~np.isnan(column)]
        found.counts[slot] += len(known)
        places.append(np.full(len(known), slot, np.int64))
        values.append(np.clip(known, -GREATEST, GREATEST))

    # What is no class says something of a number, which the errors below are about.
    truth = label == 1.0
    classed = truth | (label == 0.0)
    count(LABEL, truth)
    scored = classed & ~np.isnan(score)
    slot = _FIRST + 2 * np.searchsorted(EDGES, score[scored], side="right") + truth[scored]
    found.counts += np.bincount(slot, minlength=SLOTS)
    places.append(slot)
    values.append(score[scored])
    answer = np.where(np.isnan(prediction), score, prediction)
    judged = classed & ~np.isnan(answer)
    positive = answer >= THRESHOLD
    count(LABELLED, judged)
    count(HIT, judged & (positive == truth))
    count(TRUE_POSITIVE, judged & positive & truth)
    count(FALSE_POSITIVE, judged & positive & ~truth)
    count(FALSE_NEGATIVE, judged & ~positive & truth)
    with np.errstate(over="ignore"):
        error = score - label
        add(ERROR, error)
        add(ABSOLUTE, np.abs(error))
        add(SQUARED, error**2)
        add(FOURTH, error**4)
        likely = scored & (score >= 0.0) & (score <= 1.0)
        given = np.clip(np.where(truth, score, 1.0 - score)[likely], _LEAST, 1.0)
        add(LOSS, -np.log(given))
        add(LOSS_SQUARED, np.log(given) ** 2)
        add(REWARD, reward)
        add(REWARD_SQUARED, reward**2)
        add(COST, cost)
        add(COST_SQUARED, cost**2)
    count(CONVERSION, reward > 0)
    count(VALUED, ~(np.isnan(reward) & np.isnan(cost)))
    found.take_sums(Sums.of(np.concatenate(places), np.concatenate(values), SLOTS))
    return found


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
