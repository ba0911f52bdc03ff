"""Does a model change its own inputs? Three signs of a feedback loop, none a proof. Pure.

A model that acts makes the data it is later judged by (Sculley et al., 2015: direct and hidden
loops). Where it explored, chance acted; where it exploited, it did itself. So the two should be
calibrated alike, its actions should stay as varied, and scores should move, if they do, for those
it did not act on as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, log, sqrt

import numpy as np

from app.drift.scored import Scored
from app.drift.statistics import chi_square_p, jensen_shannon, shares
from app.drift.trends import Trend, trend
from app.kit.arrays import Ints

SIGMAS = 3.0
JS = 0.1
CERTAIN = 0.01
MIN_ROWS = 500
LEAST_FALL = 0.02
"""Bits: as of even odds that become 58 to 42. Less is certain of enough rows, and no loop."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """Mean of label less score where the model exploited, less that where it explored."""

    explored: float
    exploited: float
    difference: float
    z: float
    p_value: float

    @property
    def apart(self) -> bool:
        """Say whether the two are certainly calibrated differently."""
        return abs(self.z) > SIGMAS


@dataclass(frozen=True, slots=True)
class ActedDrift:
    """How far scores moved for units that were acted on, and for those that were not.

    Jensen-Shannon divergences in bits, less what sampling alone makes of them.
    """

    acted: float
    others: float
    z: float
    """Of their difference."""
    p_value: float
    """That the acted ones' scores did not move at all."""

    @property
    def only_acted(self) -> bool:
        """Say whether acted units drift, by twice as much as others at least, and certainly so."""
        large = self.acted >= JS and self.p_value < CERTAIN
        return large and self.others < self.acted / 2 and self.z > SIGMAS


@dataclass(frozen=True, slots=True)
class Feedback:
    """Which signs of a feedback loop there are; ``None`` is a sign that could not be looked for."""

    contrast: Contrast | None
    entropy: Trend | None
    drift: ActedDrift | None
    reasons: tuple[str, ...]

    @property
    def suspected(self) -> bool:
        """Say whether there is any sign."""
        return bool(self.reasons)


def feedback(
    *,
    contrast: Contrast | None = None,
    entropy: Trend | None = None,
    drift: ActedDrift | None = None,
) -> Feedback:
    """Return the verdict with its reasons in words."""
    reasons = []
    if contrast is not None and contrast.apart:
        reasons.append(
            f"Where the model exploits, labels exceed scores by {contrast.exploited:+.3f}; where "
            f"it explores, by {contrast.explored:+.3f} (z = {contrast.z:.1f})."
        )
    if entropy is not None and entropy.falls and _fall(entropy) >= LEAST_FALL:
        reasons.append(
            f"Actions become less varied: their entropy changes by {entropy.slope:.4f} bits a "
            f"window over {entropy.windows} windows."
        )
    if drift is not None and drift.only_acted:
        reasons.append(
            f"Scores moved by {drift.acted:.2f} bits for units that were acted on, by "
            f"{drift.others:.2f} for the others."
        )
    return Feedback(contrast, entropy, drift, tuple(reasons))


def _fall(entropy: Trend) -> float:
    """Return by how many bits actions became less varied over the time looked at."""
    return -entropy.slope * (entropy.windows - 1)


def contrast(explored: Scored, exploited: Scored, *, min_rows: int = MIN_ROWS) -> Contrast | None:
    """Compare calibration of exploration and exploitation; ``None`` of too few rows of either.

    Both are of one version. A model that is off by more at some scores than at others differs
    also if its exploited traffic only scores differently: look at the calibration itself first.
    """
    if min(explored.rows, exploited.rows) < min_rows:
        return None
    (one, v_one), (two, v_two) = _residual(explored), _residual(exploited)
    error = sqrt(v_one + v_two)
    z = (two - one) / error if error else 0.0
    return Contrast(one, two, two - one, z, erfc(abs(z) / sqrt(2)))


def _residual(found: Scored) -> tuple[float, float]:
    """Return the mean of label less score, and its variance."""
    some, rows = found.used(), found.rows
    scores = some.means()
    mean = float(some.positives.sum() - some.sums.sum()) / rows
    squares = some.positives * (1 - scores) ** 2 + (some.n - some.positives) * scores**2
    return mean, max(float(squares.sum()) / rows - mean**2, 0.0) / rows


def entropy_trend(windows: Sequence[Ints], *, confidence: float = 0.95) -> Trend | None:
    """Return the trend of the actions' Shannon entropy in bits, from counts by action and window.

    ``windows`` are count vectors of the same actions, oldest first; a window without any keeps
    its place.
    """
    pairs = [entropy(counts) for counts in windows]
    return trend([h for h, _ in pairs], [v for _, v in pairs], confidence=confidence)


def entropy(counts: Ints) -> tuple[float, float]:
    """Return entropy in bits and its variance, NaN of no rows.

    With Miller's (1955) correction for the entropy that small samples lack, so that windows of
    different size are alike.
    """
    rows = int(counts.sum())
    if not rows:
        return float("nan"), 0.0
    share = counts[counts > 0] / rows
    bits = -np.log2(share)
    plain = float(share @ bits)
    correction = (len(share) - 1) / (2 * rows * log(2))
    return plain + correction, max(float(share @ bits**2) - plain**2, 0.0) / rows


def acted_drift(
    acted: tuple[Ints, Ints], others: tuple[Ints, Ints], *, min_rows: int = MIN_ROWS
) -> ActedDrift | None:
    """Compare the scores' drift of acted units and of the others.

    Each is a pair of counts by bin of the score: the baseline's, the window's. ``None`` if one of
    the four holds fewer than ``min_rows`` rows.
    """
    if min(int(side.sum()) for side in (*acted, *others)) < min_rows:
        return None
    (one, v_one), (two, v_two) = _divergence(*acted), _divergence(*others)
    error = sqrt(v_one + v_two)
    return ActedDrift(
        acted=one,
        others=two,
        z=(one - two) / error if error else 0.0,
        p_value=chi_square_p(*acted),
    )


def _divergence(expected: Ints, actual: Ints) -> tuple[float, float]:
    """Return the JS divergence less its bias, and its variance.

    Of no drift the divergence is χ²/8 nats of 1/n + 1/m: its mean is (B − 1)(1/n + 1/m)/8, the
    same bias that a PSI has eight times. Of drift the delta method's variance is added.
    """
    n, m = int(expected.sum()), int(actual.sum())
    p, q = shares(expected), shares(actual)
    free = int(((expected + actual) > 0).sum()) - 1
    unit = (1 / n + 1 / m) / (8 * log(2))
    middle = (p + q) / 2
    variance = 2 * free * unit**2
    for side, rows in ((p, n), (q, m)):
        used = side > 0
        turn = np.log2(side[used] / middle[used]) / 2
        variance += (float(side[used] @ turn**2) - float(side[used] @ turn) ** 2) / rows
    return max(jensen_shannon(p, q) - free * unit, 0.0), variance
