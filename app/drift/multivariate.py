"""Multivariate drift: do variables still go together as they did? Pure.

The mean error of putting rows together again from the baseline's components, window by window,
against the baseline's own; see ``app/telemetry/reconstruction.py``.
"""

from dataclasses import dataclass

import numpy as np

from app.kit.arrays import Floats
from app.telemetry import Reconstruction

SIGMAS = 3.0
LEAST = 0.1
"""Of the baseline's deviation: less is certain before it matters."""


@dataclass(frozen=True, slots=True)
class Together:
    """A window's error; ``effect`` is how far it is off, in deviations of the baseline's rows."""

    n: int
    error: float | None
    low: float | None
    high: float | None
    effect: float | None
    beyond: bool | None
    """Certain (three standard errors, of window and baseline) and large; of too few nothing."""


def together(promised: Reconstruction, errors: Floats, min_rows: int) -> Together:
    """Judge a window by its rows' errors; more and less than the baseline's are both a change."""
    n = len(errors)
    if n < 2:  # noqa: PLR2004 - a deviation takes two
        return Together(n, None, None, None, None, None)
    mean, spread = float(errors.mean()), float(errors.std(ddof=1))
    room = SIGMAS * float(np.sqrt(spread**2 / n + promised.sigma**2 / promised.rows))
    effect = (mean - promised.error) / promised.sigma
    beyond = abs(mean - promised.error) > room and abs(effect) >= LEAST
    return Together(n, mean, mean - room, mean + room, effect, beyond if n >= min_rows else None)
