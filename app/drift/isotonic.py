"""Isotonic calibration of a score by a reference's counts: probabilities out of scores. Pure."""

from dataclasses import dataclass

import numpy as np

from app.drift.scored import Scored
from app.kit.arrays import Floats, Ints

_SPLITS = 10
_HELD_OUT = 0.1
_LEAST_RUN = 1e-9


@dataclass(frozen=True, slots=True)
class Calibrator:
    """A map from score to probability, as the reference's rows have it.

    ``scores`` and ``chances`` are its corners, between which it is straight; ``block`` says of
    which of the reference's blocks a corner is and ``variance`` how uncertain each block is.
    """

    scores: Floats
    chances: Floats
    block: Ints
    variance: Floats
    isotonic: bool

    def __call__(self, scores: Floats) -> Floats:
        """Return the probability of each score."""
        if not self.isotonic:
            return np.clip(scores, 0.0, 1.0)
        return np.interp(scores, self.scores, self.chances)

    def blocks(self, scores: Floats) -> Ints:
        """Return which block each score's probability comes from: the nearest corner's."""
        after = np.clip(np.searchsorted(self.scores, scores), 1, max(len(self.scores) - 1, 1))
        after = np.minimum(after, len(self.scores) - 1)
        before = np.maximum(after - 1, 0)
        nearer = scores - self.scores[before] < self.scores[after] - scores
        return self.block[np.where(nearer, before, after)]


def pool_adjacent_violators(values: Floats, weights: Floats) -> tuple[Floats, Ints]:
    """Return the nearest non-decreasing values in weighted least squares, and each one's block.

    Both shaped (values,) (Ayer et al., 1955).
    """
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, mass, size = value, weight, 1
        while pools and pools[-1][0] >= mean:
            other, more, count = pools.pop()
            mean = (mean * mass + other * more) / (mass + more)
            mass, size = mass + more, size + count
        pools.append((mean, mass, size))
    sizes = [size for _, _, size in pools]
    return (
        np.repeat([mean for mean, _, _ in pools], sizes),
        np.repeat(np.arange(len(pools)), sizes),
    )


def calibrator(reference: Scored) -> Calibrator:
    """Return the reference's calibration: isotonic if that lowers the ECE held out, else none.

    As in NannyML, whether it does is asked of ten random splits of the rows, a tenth held out. The
    rows of a bin and label are alike, so that drawing from their counts splits the rows; the
    draws are seeded, and anyone gets the same answer.
    """
    used = reference.used()
    if not used.rows:
        raise ValueError("A reference without rows calibrates nothing.")
    width = 1 / len(reference.n)
    return _isotonic(used, width) if _lowers_ece(used, width) else _as_said(used)


def _isotonic(used: Scored, width: float) -> Calibrator:
    chances, block = pool_adjacent_violators(used.rates(), used.n.astype(np.float64))
    rows = np.bincount(block, used.n)
    smooth = (np.bincount(block, used.positives) + 0.5) / (rows + 1)
    scores, chances = _ended(used.means(), chances, width)
    block = np.concatenate([block[:1], block, block[-1:]])
    return Calibrator(scores, chances, block, smooth * (1 - smooth) / rows, isotonic=True)


def _ended(scores: Floats, chances: Floats, width: float) -> tuple[Floats, Floats]:
    """Return the corners with one more at each end, half a bin on and as steep as before.

    Most scores of an overconfident model stand in the outermost bins, and a window's may lie
    further out there than the reference's.
    """
    ends = np.array([max(scores[0] - width / 2, 0.0), min(scores[-1] + width / 2, 1.0)])
    beyond = np.array([chances[0], chances[-1]])
    if len(scores) > 1:
        rise, run = (np.diff(side)[[0, -1]] for side in (chances, scores))
        steepness = rise / np.maximum(run, _LEAST_RUN)
        beyond = np.clip(beyond + steepness * (ends - scores[[0, -1]]), 0.0, 1.0)
    return (
        np.concatenate([ends[:1], scores, ends[1:]]),
        np.concatenate([beyond[:1], chances, beyond[1:]]),
    )


def _as_said(used: Scored) -> Calibrator:
    """Take scores for probabilities: what is uncertain is their level, by the reference's size."""
    means = np.clip(used.means(), 0.0, 1.0)
    level = float((used.n * means * (1 - means)).sum()) / used.rows**2
    block = np.zeros(len(means), np.int64)
    return Calibrator(used.means(), means, block, np.array([level]), isotonic=False)


def _lowers_ece(used: Scored, width: float) -> bool:
    rng = np.random.default_rng(0)
    means = used.means()
    negatives = used.n - used.positives
    before = after = 0.0
    for _ in range(_SPLITS):
        ones = rng.binomial(used.positives, _HELD_OUT)
        out = ones + rng.binomial(negatives, _HELD_OUT)
        fit_n = used.n - out
        fit = Scored(fit_n, used.positives - ones, means * fit_n).used()
        if not fit.rows:
            continue
        before += _ece(means, ones, out)
        after += _ece(_isotonic(fit, width)(means), ones, out)
    return after < before


def _ece(chances: Floats, positives: Ints, n: Ints) -> float:
    """Return the ECE over ten equal bins of the probability, times the rows, as NannyML has it."""
    tenth = np.minimum((chances * 10).astype(np.int64), 9)
    gaps = np.bincount(tenth, positives - n * chances, 10)
    return float(np.abs(gaps).sum())
