"""Does a figure rise or fall from window to window? Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.special import stdtrit

LEAST_WINDOWS = 6
"""Fewer say nothing: with four degrees of freedom an interval is already 1.4 times the normal's."""
_LEAST_VARIANCE = 1e-6
"""Of the greatest: no window weighs more than a million of another."""
_ROUNDING = 1e-12
"""What is this small a part of the values is no slope."""


@dataclass(frozen=True, slots=True)
class Trend:
    """A weighted least-squares slope a window, with its t-interval."""

    slope: float
    low: float
    high: float
    windows: int

    @property
    def rises(self) -> bool:
        """Say whether the whole interval lies above 0."""
        return self.low > 0

    @property
    def falls(self) -> bool:
        """Say whether the whole interval lies below 0."""
        return self.high < 0


def trend(
    values: Sequence[float], variances: Sequence[float], *, confidence: float = 0.95
) -> Trend | None:
    """Return the slope of equidistant windows' values, each weighted by 1/variance.

    Values and variances are shaped (windows,); a window without a value is NaN and keeps its
    place. The error is the residuals' own (as in statsmodels' WLS), so that what wanders by more
    than sampling is not taken for a trend. ``None`` of fewer than ``LEAST_WINDOWS``.
    """
    y, variance = np.asarray(values, np.float64), np.asarray(variances, np.float64)
    known = np.isfinite(y) & np.isfinite(variance)
    x, y, variance = np.flatnonzero(known).astype(np.float64), y[known], variance[known]
    if len(y) < LEAST_WINDOWS:
        return None
    weight = 1 / np.maximum(variance, float(variance.max()) * _LEAST_VARIANCE or 1.0)
    weight /= weight.sum()
    away = x - weight @ x
    spread = float(weight @ away**2)
    slope = float(weight @ (away * y)) / spread
    residual = y - weight @ y - slope * away
    error = sqrt(float(weight @ residual**2) / (len(y) - 2) / spread)
    room = error * float(stdtrit(len(y) - 2, 0.5 + confidence / 2))
    room += _ROUNDING * float(np.abs(y).max())
    return Trend(slope, slope - room, slope + room, len(y))
