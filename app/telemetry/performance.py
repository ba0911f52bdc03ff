"""How well a version does, by what its outcomes have been folded into. Pure.

Every metric comes with its standard error, so that a window can be told from its reference by more
than chance explains.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import sqrt
from typing import NamedTuple

import numpy as np

from app.kit.arrays import Floats, Ints
from app.telemetry.chance import folded_variance, mean_deviation

_HUNDREDTHS = np.arange(1, 100) / 100
_TAIL = 0.1 * 10 ** (-np.arange(121) / 24)
EDGES = np.unique(np.round(np.concatenate([_HUNDREDTHS, _TAIL, 1 - _TAIL]), 12))
"""Hundredths, and from a tenth outwards 24 to a decade, down to a millionth: half of the
world's scores lie below a hundredth. With them an AUC is within 0.001 of the rows' own if scores
are continuous and no bin holds three tenths of them. Scores of few values may be off by more: by
at most the share of the pairs of a positive and a negative that stand in one bin."""
FINE = len(EDGES) + 1
_WIDTHS = np.diff(EDGES, prepend=0.0, append=1.0)
_TENTHS = np.searchsorted(np.arange(1, 10) / 10, EDGES - _WIDTHS[:-1] / 2)
_TENTH_OF = np.append(_TENTHS, 9)


class Measure(NamedTuple):
    """A metric's value, its standard error from sampling alone, and of how many rows."""

    value: float
    standard_error: float
    rows: int


def _none() -> Ints:
    return np.zeros((FINE, 2), np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """What the outcomes of a window say: counts and sums. Rates are shares of 1."""

    labelled: int = 0
    """Answers that a class is known to."""
    hits: int = 0
    positives: int = 0
    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0
    rewarded: int = 0
    reward: float = 0.0
    reward_squared: float = 0.0
    conversions: int = 0
    costed: int = 0
    cost: float = 0.0
    cost_squared: float = 0.0
    valued: int = 0
    """Decisions of which a reward or a cost is known; what is not known of one is 0."""
    paired: int = 0
    """Decisions with a reward and a cost, of which the next three sums are; of those that a release
    before folded there are no such sums."""
    paired_net_squared: float = 0.0
    paired_reward_squared: float = 0.0
    paired_cost_squared: float = 0.0
    no_reward: int = 0
    """Rewards of 0."""
    no_cost: int = 0
    no_net: int = 0
    """Decisions with a reward or a cost that come to 0."""
    erred: int = 0
    """Scores that a label is known to: the error is score less label."""
    error: float = 0.0
    absolute_error: float = 0.0
    squared_error: float = 0.0
    fourth_error: float = 0.0
    lost: int = 0
    """Probabilities that a class is known to: the loss is the logarithmic one."""
    loss: float = 0.0
    loss_squared: float = 0.0
    hundredths: Ints = field(default_factory=lambda: np.zeros((100, 2), np.int64), repr=False)
    """Of the first release: hundredths of the score by label 0 and 1."""
    fine: Ints = field(default_factory=_none, repr=False)
    """The score's bins between ``EDGES``, by label 0 and 1."""
    scores: Floats = field(default_factory=lambda: np.zeros((FINE, 2)), repr=False)
    """The scores' sums in the same places."""

    @property
    def accuracy(self) -> float | None:
        """Share of the answers that were right."""
        return self.hits / self.labelled if self.labelled else None

    @property
    def standard_error(self) -> float:
        """Of the accuracy, from sampling alone."""
        found = self.measure("accuracy")
        return found.standard_error if found else float("inf")

    @property
    def mean_reward(self) -> float | None:
        """Business value a decision."""
        return self.reward / self.rewarded if self.rewarded else None

    @property
    def net_squared(self) -> tuple[float, float]:
        """Return the least and the most that the squares of rewards less costs may sum up to.

        Both are the sum itself, but of hours that a release before folded: of their pairs it lies
        between (√Σreward² ± √Σcost²)².
        """
        known = self.paired_net_squared
        rewards = max(self.reward_squared - self.paired_reward_squared, 0.0)
        costs = max(self.cost_squared - self.paired_cost_squared, 0.0)
        if self.rewarded + self.costed - self.valued == self.paired:
            return (max(known + rewards + costs, 0.0),) * 2
        apart = 2 * sqrt(rewards) * sqrt(costs)
        whole = known + rewards + costs
        return max(whole - apart, 0.0), max(whole + apart, 0.0)

    @property
    def auc(self) -> float | None:
        """Area under the ROC curve, from the score's bins."""
        found = self.measure("auc")
        return found.value if found else None

    def measure(self, metric: str) -> Measure | None:
        """Return one of ``METRICS``, or nothing where the outcomes do not say it."""
        return METRICS[metric].of(self)

    def measures(self) -> dict[str, Measure]:
        """Return every metric that the outcomes say."""
        found = {name: metric.of(self) for name, metric in METRICS.items()}
        return {name: one for name, one in found.items() if one is not None}

    @property
    def ece_by_chance(self) -> float | None:
        """The expected calibration error that true scores would show on average, of as many."""
        rows, _, scores = self.tenths().T
        whole = rows.sum()
        return float(mean_deviation(rows, _of(rows, scores)).sum() / whole) if whole else None

    def by_hundredth(self) -> tuple[Ints, Floats]:
        """Return counts and sums of scores by hundredth and label, each shaped (100, 2)."""
        counts, sums = np.zeros((100, 2), np.int64), np.zeros((100, 2))
        np.add.at(counts, _HUNDREDTH_OF, self.fine)
        np.add.at(sums, _HUNDREDTH_OF, self.scores)
        return counts, sums

    def tenths(self) -> Floats:
        """Return what calibration is read from, shaped (10, 3): rows, positives, sum of scores."""
        found = np.zeros((10, 3))
        np.add.at(found[:, 0], _TENTH_OF, self.fine.sum(axis=1))
        np.add.at(found[:, 1], _TENTH_OF, self.fine[:, 1])
        np.add.at(found[:, 2], _TENTH_OF, self.scores.sum(axis=1))
        return found


def _share(hits: int, rows: int) -> Measure | None:
    if not rows:
        return None
    share = hits / rows
    return Measure(share, sqrt(share * (1 - share) / rows), rows)


def _mean(total: float, squares: float, rows: int) -> Measure | None:
    if not rows:
        return None
    mean = total / rows
    return Measure(mean, sqrt(max(squares / rows - mean * mean, 0.0) / rows), rows)


def _f1(done: Performance) -> Measure | None:
    """Return F1, its error by the delta method over the three counts it is made of."""
    hits, misses = done.true_positives, done.false_positives + done.false_negatives
    whole = 2 * hits + misses
    if not whole:
        return None
    error = 2 * sqrt(hits * misses * (hits + misses)) / whole**2
    return Measure(2 * hits / whole, error, hits + misses)


def _auc(done: Performance) -> Measure | None:
    """Return the AUC; its error by DeLong et al. (1988), rows of a bin standing together.

    Within a bin, positives and negatives are taken as spread linearly about their own means: a
    positive then stands above a negative by a half and the means' distance in widths of the bin.
    """
    negatives, positives = (done.fine[:, label].astype(np.float64) for label in (0, 1))
    below_and = np.full(FINE, 0.5)
    both = (negatives > 0) & (positives > 0)
    apart = done.scores[both, 1] / positives[both] - done.scores[both, 0] / negatives[both]
    below_and[both] = np.clip(0.5 + apart / _WIDTHS[both], 0.0, 1.0)
    if done.hundredths.any():
        # Of a release that kept no sums: ties count half, a hundredth is a bin.
        old = done.hundredths.astype(np.float64)
        negatives, positives = np.append(old[:, 0], 0.0), np.append(old[:, 1], 0.0)
        if done.fine.any():
            negatives[:100] += np.bincount(_HUNDREDTH_OF, done.fine[:, 0], 100)
            positives[:100] += np.bincount(_HUNDREDTH_OF, done.fine[:, 1], 100)
        below_and = np.full(len(negatives), 0.5)
    n, m = negatives.sum(), positives.sum()
    if not n or not m:
        return None
    below = (np.cumsum(negatives) - negatives + negatives * below_and) / n
    above = (m - np.cumsum(positives) + positives * below_and) / m
    area = float((positives * below).sum() / m)
    spread = sum(
        float((rows * (place - area) ** 2).sum()) / max(size - 1, 1) / size
        for rows, place, size in ((positives, below, m), (negatives, above, n))
    )
    return Measure(area, sqrt(spread), int(n + m))


_HUNDREDTH_OF = np.append(np.searchsorted(_HUNDREDTHS, EDGES - _WIDTHS[:-1] / 2), 99)


def _ece(done: Performance) -> Measure | None:
    """Return the expected calibration error over ten equal bins (Naeini et al., 2015).

    Few rows are never calibrated: ``Performance.ece_by_chance`` is what is to be expected of true
    scores. The error is the deviation alone, not how far from nothing chance puts it.
    """
    rows, positives, scores = done.tenths().T
    count = float(rows.sum())
    if not count:
        return None
    variances = [rows * share * (1 - share) for share in (_of(rows, positives), _of(rows, scores))]
    gaps = np.abs(positives - scores)
    spread = sqrt(float(folded_variance(gaps, np.maximum(*variances)).sum()))
    return Measure(float(gaps.sum() / count), spread / count, int(count))


def _of(rows: Floats, part: Floats) -> Floats:
    return np.clip(np.divide(part, rows, out=np.zeros(len(rows)), where=rows > 0), 0.0, 1.0)


def _rmse(done: Performance) -> Measure | None:
    found = _mean(done.squared_error, done.fourth_error, done.erred)
    if found is None:
        return None
    root = sqrt(found.value)
    return Measure(root, found.standard_error / (2 * root) if root else 0.0, found.rows)


def _brier(done: Performance) -> Measure | None:
    if done.lost != done.erred:
        return None  # not all of them probabilities of a class
    return _mean(done.squared_error, done.fourth_error, done.erred)


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric and which way is better: 1 more, -1 less, 0 neither but zero."""

    of: Callable[[Performance], Measure | None]
    better: int


METRICS: dict[str, Metric] = {
    "accuracy": Metric(lambda done: _share(done.hits, done.labelled), 1),
    "precision": Metric(
        lambda done: _share(done.true_positives, done.true_positives + done.false_positives), 1
    ),
    "recall": Metric(
        lambda done: _share(done.true_positives, done.true_positives + done.false_negatives), 1
    ),
    "f1": Metric(_f1, 1),
    "auc": Metric(_auc, 1),
    "log_loss": Metric(lambda done: _mean(done.loss, done.loss_squared, done.lost), -1),
    "brier": Metric(_brier, -1),
    "ece": Metric(_ece, -1),
    "mae": Metric(lambda done: _mean(done.absolute_error, done.squared_error, done.erred), -1),
    "rmse": Metric(_rmse, -1),
    "bias": Metric(lambda done: _mean(done.error, done.squared_error, done.erred), 0),
    "reward": Metric(lambda done: _mean(done.reward, done.reward_squared, done.rewarded), 1),
    "conversion": Metric(lambda done: _share(done.conversions, done.rewarded), 1),
    "cost": Metric(lambda done: _mean(done.cost, done.cost_squared, done.costed), -1),
}
"""What a window's outcomes can say, by name. ``bias`` is the mean of score less label."""
