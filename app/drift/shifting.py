"""A small but certain shift: one that changes hardly a decision, and yet is there. Pure.

Drift asks for a large distance, so that nobody is called for nothing; a shift of a tenth of a
standard deviation is never that large. Here the question is only whether there is one. It is
asked of the bins' ranks, so that no outlier decides, and as of two samples: the frozen baseline
is a sample itself, and its own error is with every window again. So is what windows wander by
themselves (``levels``), where that is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.special import erfc, fdtrc, ndtri, stdtr

from app.drift.levels import Sway
from app.drift.statistics import Counts, chi_square, chi_square_p, merged
from app.kit.arrays import Ints
from app.telemetry import Binning, Bins, Tally

LEAST = 0.02
"""So many standard deviations: what rows by the million make certain and nobody acts on."""
_LEAST_EXPECTED = 5.0


@dataclass(frozen=True, slots=True)
class Shift:
    """How a variable's place moved: in standard deviations, or Cohen's w of categories."""

    effect: float
    p_value: float
    known: bool = True
    """Whether both sides have what could have moved."""


def shift(
    bins: Bins,
    span: slice,
    baseline: Tally,
    window: Tally,
    sway: Sway | None = None,
    levels: float = 1.0,
) -> Shift:
    """Test one variable's place in two profiles.

    Numbers by their bins' normal scores; null, unseen and invalid have no place and are left to
    drift. Categories by χ², as they can be compared (``merged``). With a ``sway`` either side has
    levels of its own, that differ by as much as so many ``levels`` vary.
    """
    expected, actual = baseline.counts[span], window.counts[span]
    if bins.binning is Binning.CATEGORIES:
        return homogeneity(*merged(bins, expected, actual), seldom=[-1], sway=sway, levels=levels)
    return location(expected[: bins.bins], actual[: bins.bins], sway=sway, levels=levels)


def location(
    expected: Ints, actual: Ints, *, sway: Sway | None = None, levels: float = 1.0
) -> Shift:
    """Return the normal-scores test of van der Waerden (1952), ties at their mid-rank.

    ``expected`` and ``actual`` are counts of the same ordered bins, shaped (bins,). Of all rank
    tests it loses nothing against the t-test when values are normal, and gains elsewhere
    (Chernoff and Savage, 1958). The variance is that of all relabellings of the rows, exact with
    ties. The effect is the difference of mean scores in units of their spread.
    """
    both = expected + actual
    n, m, whole = int(expected.sum()), int(actual.sum()), int(both.sum())
    if not n or not m:
        return Shift(0.0, 1.0, known=False)
    scores = ndtri((np.cumsum(both) - both / 2) / whole, where=both > 0, out=np.zeros(len(both)))
    mean = float(both @ scores) / whole
    square = float(both @ (scores - mean) ** 2)
    if square <= 0:
        return Shift(0.0, 1.0)
    moved = float(actual @ scores) / m - float(expected @ scores) / n
    variance = square / (whole - 1) * (1 / n + 1 / m)
    effect = moved / sqrt(square / whole)
    if sway is not None:
        variance, free = sway.beside(1 / n + 1 / m, levels)
        return Shift(effect, 2 * float(stdtr(free, -abs(effect) / sqrt(variance))))
    return Shift(effect, float(erfc(abs(moved) / sqrt(2 * variance))))


def homogeneity(
    expected: Counts,
    actual: Counts,
    seldom: Sequence[int] = (),
    *,
    sway: Sway | None = None,
    levels: float = 1.0,
) -> Shift:
    """Return Pearson's χ² test, rare slots taken together, and Cohen's w less its bias.

    A slot is rare that either side is expected to hold fewer than five rows of: there the
    statistic's tail is heavier than χ². So are always those named ``seldom``, so that what else is
    rare comes to what is already together. What windows wander is taken from χ² as Rao and Scott
    (1981) take it from a survey's, and of few windows it is F.
    """
    n, m = float(expected.sum()), float(actual.sum())
    if not n or not m:
        return Shift(0.0, 1.0, known=False)
    both = expected + actual
    rare = both * min(n, m) / (n + m) < _LEAST_EXPECTED
    rare[list(seldom)] = True
    tables = [np.append(side[~rare], side[rare].sum()) for side in (expected, actual)]
    p, q = (table / table.sum() for table in tables)
    middle = (tables[0] + tables[1]) / (n + m)
    used = middle > 0
    square = float(((q - p)[used] ** 2 / middle[used]).sum())
    bias = (int(used.sum()) - 1) * (1 / n + 1 / m)
    effect = sqrt(max(square - bias, 0.0))
    if sway is None:
        return Shift(effect, chi_square_p(*tables))
    statistic, free = chi_square(*tables)
    if not free:
        return Shift(effect, 1.0)
    variance, known = sway.beside(1 / n + 1 / m, levels, free)
    each = statistic / free * (1 / n + 1 / m) / variance
    return Shift(effect, float(fdtrc(min(free, sway.directions), known, each)))
