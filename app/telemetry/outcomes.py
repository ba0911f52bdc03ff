"""What outcomes add to a profile: score bin × label, hits, rewards. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.kit.arrays import Floats, Ints
from app.telemetry.layout import SCORE_EDGES
from app.telemetry.tally import Tally

BINS = len(SCORE_EDGES) + 1
LABELLED, HIT, REWARD, REWARD_SQUARED, CONVERSION, LABEL = range(2 * BINS, 2 * BINS + 6)
SLOTS = 2 * BINS + 6
THRESHOLD = 0.5
"""A probability of at least this counts as a positive prediction, unless one was sent."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """One scored event with its outcome; NaN where something was not sent."""

    hour: int
    score: float
    prediction: float
    label: float
    reward: float


@dataclass(frozen=True, slots=True)
class Performance:
    """What the outcomes of a window say. Rates are shares of 1."""

    labelled: int
    accuracy: float | None
    positives: int
    rewarded: int
    reward: float
    reward_squared: float
    conversions: int
    counts: Ints
    """Shaped (score bins, 2): how many with label 0 and 1."""

    @property
    def standard_error(self) -> float:
        """Of the accuracy, from sampling alone."""
        if not self.labelled or self.accuracy is None:
            return float("inf")
        return float(np.sqrt(self.accuracy * (1 - self.accuracy) / self.labelled))

    @property
    def mean_reward(self) -> float | None:
        """Business value a decision."""
        return self.reward / self.rewarded if self.rewarded else None

    @property
    def auc(self) -> float | None:
        """Area under the ROC curve from the score bins; ties within a bin count half."""
        negatives, positives = self.counts[:, 0], self.counts[:, 1]
        pairs = int(negatives.sum()) * int(positives.sum())
        if not pairs:
            return None
        below = np.cumsum(negatives) - negatives
        return float((positives * (below + negatives / 2)).sum() / pairs)


def fold(rows: Sequence[Labelled]) -> Tally:
    """Return the tally of one hour's outcomes."""
    found = Tally.empty(SLOTS, 0)
    found.n = len(rows)
    for row in rows:
        _fold_label(found.counts, row)
        if not np.isnan(row.reward):
            found.counts[REWARD] += 1
            found.sums[REWARD] += row.reward
            found.sums[REWARD_SQUARED] += row.reward * row.reward
            found.counts[CONVERSION] += row.reward > 0
    return found


def _fold_label(counts: Ints, row: Labelled) -> None:
    if row.label not in {0.0, 1.0}:
        return  # not a class: what it says of a number is another metric's business
    truth = row.label >= THRESHOLD
    counts[LABEL] += truth
    if not np.isnan(row.score):
        place = int(np.searchsorted(SCORE_EDGES, row.score, side="right"))
        counts[2 * place + truth] += 1
    answer = row.prediction if not np.isnan(row.prediction) else row.score
    if not np.isnan(answer):
        counts[LABELLED] += 1
        counts[HIT] += (answer >= THRESHOLD) == truth


def performance(found: Tally | None) -> Performance:
    """Read a tally of outcomes."""
    if found is None:
        found = Tally.empty(SLOTS, 0)
    labelled = int(found.counts[LABELLED])
    return Performance(
        labelled=labelled,
        accuracy=float(found.counts[HIT] / labelled) if labelled else None,
        positives=int(found.counts[LABEL]),
        rewarded=int(found.counts[REWARD]),
        reward=float(found.sums[REWARD]),
        reward_squared=float(found.sums[REWARD_SQUARED]),
        conversions=int(found.counts[CONVERSION]),
        counts=found.counts[: 2 * BINS].reshape(BINS, 2),
    )


def reference(scores: Floats, labels: Floats, *, chunks: int = 20) -> dict[str, float] | None:
    """Return the accuracy a version promised at its baseline, and how it wanders by itself.

    ``sigma`` is the spread between consecutive chunks beyond what sampling explains, so that a
    window is not alarmed by variation the development data already showed.
    """
    known = ~(np.isnan(scores) | np.isnan(labels))
    hits = ((scores >= THRESHOLD) == (labels >= THRESHOLD))[known].astype(float)
    if not len(hits):
        return None
    accuracy = float(hits.mean())
    size = len(hits) // chunks
    sigma = 0.0
    if size:
        means = hits[: size * chunks].reshape(chunks, size).mean(axis=1)
        noise = accuracy * (1 - accuracy) / size
        sigma = float(np.sqrt(max(means.var(ddof=1) - noise, 0.0)))
    return {"accuracy": accuracy, "sigma": sigma, "rows": len(hits)}
