"""Is a probability meant as it is said? From rows, positives and sums by bin of the score. Pure."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.special import betainc, betaincc, chdtrc

from app.drift.scored import Scored
from app.drift.statistics import benjamini_hochberg
from app.kit.arrays import Floats, Ints
from app.telemetry import mean_deviation

LARGE = 0.01
CERTAIN = 0.01
_LEAST_EXPECTED = 5.0
_EDGE = 1e-6
_STEPS = 50


class Verdict(StrEnum):
    """What is said of a window's calibration."""

    CALIBRATED = "calibrated"
    MISCALIBRATED = "miscalibrated"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Place:
    """One bin of the reliability diagram; ``z`` is its gap in standard errors of a true score."""

    bin: int
    n: int
    score: float
    rate: float
    z: float


@dataclass(frozen=True, slots=True)
class Recalibration:
    """Cox's (1958) logit(rate) = intercept + slope · logit(score); 0 and 1 are perfect."""

    intercept: float
    slope: float
    intercept_error: float
    slope_error: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far scores are from rates, and how far chance alone would have put them."""

    rows: int
    ece: float
    ece_by_chance: float
    """What true probabilities would show on average: few rows a bin are never calibrated."""
    ece_error: float
    """Standard deviation of the same."""
    mce: float
    residual: float
    """Mean of label less score: above 0, scores are too low."""
    residual_error: float
    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    recalibration: Recalibration | None
    hosmer_lemeshow_p: float | None
    """Nothing, where too few of a class are expected for one group."""
    exact_p: float
    """Of the bin whose positives are least explained by its scores, for being the worst of them."""
    verdict: Verdict
    places: tuple[Place, ...]

    @property
    def excess(self) -> float:
        """The ECE beyond what chance makes of true probabilities."""
        return self.ece - self.ece_by_chance


def calibration(found: Scored, *, min_rows: int = 500) -> Calibration | None:
    """Return a window's calibration; ``None`` of no rows.

    Miscalibrated is both certain and large (ECE of ``LARGE`` beyond chance): with many rows every
    model is certainly off by a little. Certain is what Hosmer and Lemeshow's test or the exact one
    of the bins says, at p < ``CERTAIN`` of both together. Where neither could have said it, nor
    where there are fewer than ``min_rows``, nothing is said. The Brier score is that of the bins'
    means, which Murphy's (1973) parts add up to.
    """
    whole = found.rows
    if not whole:
        return None
    numbers = np.flatnonzero(found.n)
    used = found.used()
    n, scores, rates = used.n, np.clip(used.means(), 0.0, 1.0), used.rates()
    weight = n / whole
    gaps = np.abs(rates - scores)
    chance, spread = _ece_by_chance(n, scores, whole)
    base = float(used.positives.sum() / whole)
    reliability = float(weight @ gaps**2)
    resolution = float(weight @ (rates - base) ** 2)
    brier = reliability - resolution + base * (1 - base)
    residual = base - float(weight @ scores)
    pooled, exact = hosmer_lemeshow(used), exact_p(n, used.positives, scores)
    ece = float(weight @ gaps)
    return Calibration(
        rows=whole,
        ece=ece,
        ece_by_chance=chance,
        ece_error=spread,
        mce=float(gaps.max()),
        residual=residual,
        residual_error=float(np.sqrt(max(brier - residual**2, 0.0) / whole)),
        brier=brier,
        reliability=reliability,
        resolution=resolution,
        uncertainty=base * (1 - base),
        recalibration=recalibration(used),
        hosmer_lemeshow_p=pooled,
        exact_p=exact,
        verdict=Verdict.UNKNOWN
        if whole < min_rows or (pooled is None and not _tellable(n, scores))
        else _verdict((1.0 if pooled is None else pooled, exact), ece - chance),
        places=_places(numbers, used),
    )


def _verdict(tests: tuple[float, float], excess: float) -> Verdict:
    off = len(tests) * min(tests) < CERTAIN and excess >= LARGE
    return Verdict.MISCALIBRATED if off else Verdict.CALIBRATED


def _tellable(n: Ints, scores: Floats) -> bool:
    """Say whether any labels at all would be certain against these scores."""
    worst = np.where(scores < 0.5, n, 0)  # noqa: PLR2004 - the class less likely
    return 2 * exact_p(n, worst, scores) < CERTAIN


def exact_p(n: Ints, positives: Ints, scores: Floats) -> float:
    """Return the p-value of the worst bin by exact binomial tests, for being the worst (Simes).

    One of the tests is of all rows together, where every bin has too few. The sum of chances that
    differ varies less than a binomial of their mean (Hoeffding, 1956): the tests err by silence.
    """
    whole = n.sum()
    n, positives = np.append(n, whole), np.append(positives, positives.sum())
    mean = np.clip(np.append(scores, scores @ n[:-1] / whole), 0.0, 1.0)
    tails = [
        np.where(positives == 0, 1.0, betainc(np.maximum(positives, 1), n - positives + 1, mean)),
        np.where(positives == n, 1.0, betaincc(positives + 1, np.maximum(n - positives, 1), mean)),
    ]
    return float(benjamini_hochberg(np.minimum(2 * np.minimum(*tails), 1.0)).min())


def _places(numbers: Ints, used: Scored) -> tuple[Place, ...]:
    scores, rates = np.clip(used.means(), 0.0, 1.0), used.rates()
    error = np.sqrt(np.maximum(scores * (1 - scores), _EDGE) / used.n)
    return tuple(
        Place(int(number), int(n), float(score), float(rate), float((rate - score) / se))
        for number, n, score, rate, se in zip(numbers, used.n, scores, rates, error, strict=True)
    )


def _ece_by_chance(n: Ints, scores: Floats, whole: int) -> tuple[float, float]:
    """Return mean and standard deviation of the ECE if every bin's rate were its mean score."""
    away = mean_deviation(n, scores)
    variance = np.maximum(n * scores * (1 - scores) - away**2, 0.0)
    return float(away.sum() / whole), float(np.sqrt(variance.sum()) / whole)


def hosmer_lemeshow(found: Scored) -> float | None:
    """Return the p-value of Hosmer and Lemeshow's (1980) χ² test of scores against rates.

    Neighbouring bins are taken together until at least five positives and five negatives are
    expected of each; nothing was fitted to these rows, so that every group is a degree of freedom.
    ``None`` of fewer than that.
    """
    groups = _pooled(found)
    if not len(groups):
        return None
    n, observed, expected = groups.T
    variance = expected * (1 - expected / n)
    statistic = float(((observed - expected) ** 2 / variance).sum())
    return float(chdtrc(len(groups), statistic))


def _pooled(found: Scored) -> Floats:
    """Return rows, positives and expected positives of each group, shaped (groups, 3)."""
    groups: list[Floats] = []
    rest = np.zeros(3)
    for row in np.stack([found.n, found.positives, found.sums], axis=1).astype(np.float64):
        rest = rest + row
        if min(rest[2], rest[0] - rest[2]) >= _LEAST_EXPECTED:
            groups.append(rest)
            rest = np.zeros(3)
    if groups:
        groups[-1] = groups[-1] + rest
    return np.array(groups).reshape(len(groups), 3)


def recalibration(found: Scored) -> Recalibration | None:
    """Return intercept and slope by maximum likelihood, a bin's rows standing at their mean.

    ``None`` where none exists: one class only, one bin only, or classes that a score parts.
    """
    some = found.used()
    if len(some.n) < 2 or not 0 < some.positives.sum() < some.rows:  # noqa: PLR2004 - a line
        return None
    score = np.clip(some.means(), _EDGE, 1 - _EDGE)
    design = np.stack([np.ones(len(score)), np.log(score / (1 - score))], axis=1)
    at = np.array([0.0, 1.0])
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(design @ at, -500, 500)))
        information = (design * (some.n * p * (1 - p))[:, None]).T @ design
        if np.linalg.cond(information) > 1 / np.finfo(np.float64).eps:
            return None
        step = np.linalg.solve(information, design.T @ (some.positives - some.n * p))
        at = at + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-9:  # noqa: PLR2004 - Newton has arrived
            error = np.sqrt(np.diag(np.linalg.inv(information)))
            return Recalibration(*map(float, (*at, *error)))
    return None
