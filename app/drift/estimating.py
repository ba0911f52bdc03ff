"""What a window's metrics probably are while no label is known. Pure.

Confidence-based performance estimation (CBPE; Garg et al., 2022, and NannyML): of a calibrated
probability p, a row predicted positive is right with probability p. And of numbers, direct loss
estimation: a row errs as much as the reference did at the same score. Both answer for a changed
mix of inputs (covariate shift) and neither can see that the world has changed behind the same
inputs (concept drift): that takes labels.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import hypot, sqrt
from typing import Literal

import numpy as np

from app.drift.isotonic import Calibrator
from app.drift.scored import mean_of
from app.kit.arrays import Floats, Ints

SIGMAS = 3.0
POSITIVE_FROM = 50
"""The first of the score's hundredths that is predicted positive."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric that no label has confirmed."""

    value: float
    standard_error: float
    """Of the estimate: the window's mix of scores, and the reference that calibrated them."""
    realised_error: float
    """The same and the labels' own chance: how far the metric may turn out from the estimate."""
    estimated: Literal[True] = True

    def beyond(self, reference: float, sigma: float, reference_error: float = 0.0) -> bool:
        """Say whether it is outside reference ± 3·√(σ² + SE² + SE₀²)."""
        room = SIGMAS * sqrt(sigma**2 + self.standard_error**2 + reference_error**2)
        return abs(self.value - reference) > room


@dataclass(frozen=True, slots=True)
class _Cells:
    """A window's expected confusion, by bin of the score; each shaped (bins,)."""

    positive: Floats
    negative: Floats
    """Shares of the window's rows."""
    said: Floats
    """1 where predicted positive, 0 elsewhere."""
    mean: Floats
    """Mean score."""
    within: Floats
    """That a positive stands above a negative of the same bin, less a half."""

    def turned(self) -> "_Cells":
        """Take negatives for positives."""
        return replace(self, positive=self.negative, negative=self.positive, said=1 - self.said)


_Gradient = tuple[float, Floats, Floats]
"""A metric, and what it changes by for more positives and for more negatives of each bin."""


def _accuracy(at: _Cells) -> _Gradient:
    value = float(at.positive @ at.said + at.negative @ (1 - at.said))
    return value, at.said, 1 - at.said


def _precision(at: _Cells) -> _Gradient | None:
    whole = float((at.positive + at.negative) @ at.said)
    if not whole:
        return None
    value = float(at.positive @ at.said) / whole
    return value, at.said * (1 - value) / whole, -at.said * value / whole


def _recall(at: _Cells) -> _Gradient | None:
    whole = float(at.positive.sum())
    if not whole:
        return None
    value = float(at.positive @ at.said) / whole
    return value, (at.said - value) / whole, np.zeros(len(at.said))


def _specificity(at: _Cells) -> _Gradient | None:
    found = _recall(at.turned())
    return None if found is None else (found[0], found[2], found[1])


def _f1(at: _Cells) -> _Gradient | None:
    whole = float((at.positive + at.negative) @ at.said + at.positive.sum())
    if not whole:
        return None
    value = 2 * float(at.positive @ at.said) / whole
    return value, (2 * at.said - (at.said + 1) * value) / whole, -at.said * value / whole


def _auc(at: _Cells) -> _Gradient | None:
    ones, noughts = float(at.positive.sum()), float(at.negative.sum())
    if not ones or not noughts:
        return None
    below = (np.cumsum(at.negative) - at.negative * (0.5 - at.within)) / noughts
    above = 1 - (np.cumsum(at.positive) - at.positive * (0.5 + at.within)) / ones
    value = float(at.positive @ below) / ones
    return value, (below - value) / ones, (above - value) / noughts


def _brier(at: _Cells) -> _Gradient:
    of_one, of_nought = (1 - at.mean) ** 2, at.mean**2
    return float(at.positive @ of_one + at.negative @ of_nought), of_one, of_nought


def _within(mean: Floats, chance: Floats, calibrated: Calibrator, width: float) -> Floats:
    """Return P(positive above negative) − ½ of two rows of one bin.

    Of rows spread evenly over a bin in which the chance p rises by Δ, it is Δ / 12p(1 − p). At
    the outermost corners the chance is taken to go on rising as it did.
    """
    below = chance - calibrated(mean - width / 2)
    above = calibrated(mean + width / 2) - chance
    first, last = calibrated.scores[0], calibrated.scores[-1]
    rise = np.where(mean - width / 2 < first, above, below)
    rise = rise + np.where(mean + width / 2 > last, below, above)
    odds = 12 * chance * (1 - chance)
    ratio = np.divide(rise, odds, out=np.zeros(len(odds)), where=odds > 0)
    return np.clip(ratio, 0.0, 0.5)


METRICS: dict[str, Callable[[_Cells], _Gradient | None]] = {
    "accuracy": _accuracy,
    "precision": _precision,
    "recall": _recall,
    "specificity": _specificity,
    "f1": _f1,
    "auc": _auc,
    "brier": _brier,
}


def estimate(
    n: Ints, sums: Floats, calibrated: Calibrator, *, positive_from: int = POSITIVE_FROM
) -> dict[str, Estimate]:
    """Return a window's metrics by CBPE, from its counts and sums by bin of the score.

    ``n`` and ``sums`` are shaped (bins,), in the reference's bins of equal width; a metric that is
    not defined (precision without a positive prediction) is left out. Errors are the delta
    method's.
    """
    some = n > 0
    rows = int(n.sum())
    if not rows:
        return {}
    mean = sums[some] / n[some]
    share = n[some] / rows
    chance = calibrated(mean)
    said = (np.flatnonzero(some) >= positive_from).astype(np.float64)
    within = _within(mean, chance, calibrated, 1 / len(n))
    cells = _Cells(share * chance, share * (1 - chance), said, mean, within)
    found = {}
    for name, metric in METRICS.items():
        measured = metric(cells)
        if measured is None:
            continue
        value, of_one, of_nought = measured
        expected = chance * of_one + (1 - chance) * of_nought
        mixed = float(share @ expected**2) - float(share @ expected) ** 2
        turn = share * (of_one - of_nought)
        blocks = np.bincount(calibrated.blocks(mean), turn, len(calibrated.variance))
        error = sqrt(max(mixed, 0.0) / rows + float(blocks**2 @ calibrated.variance))
        luck = float((turn**2 / share) @ (chance * (1 - chance))) / rows
        found[name] = Estimate(value, error, hypot(error, sqrt(luck)))
    return found


@dataclass(frozen=True, slots=True)
class Losses:
    """The reference's loss by bin of the score: rows, Σ loss, Σ loss²; each shaped (bins,)."""

    n: Ints
    sums: Floats
    squares: Floats


def expected_loss(n: Ints, reference: Losses) -> Estimate | None:
    """Return the mean loss of a window of ``n`` rows a bin, erring as the reference did there.

    Where the reference holds no row of a bin, it is between its neighbours. The loss may be any:
    the error's size, or its square. ``None`` if either side is empty.
    """
    rows, some = int(n.sum()), reference.n > 0
    if not rows or not some.any():
        return None
    places = np.arange(len(n))
    mean = np.interp(places, places[some], mean_of(reference.sums, reference.n)[some])
    square = np.interp(places, places[some], mean_of(reference.squares, reference.n)[some])
    spread = np.maximum(square - mean**2, 0.0)
    held = np.interp(places, places[some], reference.n[some])
    share = n / rows
    value = float(share @ mean)
    mixed = max(float(share @ mean**2) - value**2, 0.0) / rows
    error = sqrt(mixed + float(share**2 @ (spread / held)))
    return Estimate(value, error, hypot(error, sqrt(float(share @ spread) / rows)))
