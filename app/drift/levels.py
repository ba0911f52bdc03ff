"""Levels: how far a variable's windows lie apart where nothing changes. Pure.

Who comes on one day is not who comes on the next, and of rows by the thousand that is certain. So a
window is beside the baseline, or its season, as one of many windows, each with a level of its own:
by how much these wander beyond their rows' sampling is seen of the windows before, about either
side of a change if there was one, and of few of them is known as Student has it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np
from scipy.special import chdtri

from app.drift.statistics import merged
from app.drift.wandering import LIKELY
from app.kit.arrays import Floats, Ints
from app.telemetry import Binning, Bins

REACH = 56
"""So many windows back."""
_WEEK, _DAY = timedelta(days=7), timedelta(days=1)
_LEAST = 4
"""Of fewer degrees of freedom nothing is known."""


class Earlier(NamedTuple):
    """A window that was before: how long ago, and what was measured of its variables."""

    ago: timedelta
    n: int
    variables: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, order=True)
class Sway:
    """How windows' levels vary beyond sampling, in units of one row's variance."""

    variance: float
    ratio: float
    """Of the windows' mean square to what sampling alone makes of it; 1 at least."""
    size: float
    """Rows of a window that this was seen of."""
    free: float
    """Degrees of freedom that it is known with, a dimension of the level."""
    dimensions: int = 1
    directions: float = 1.0
    """In so many it is as large as in the first; of numbers there is one."""

    def beside(
        self, sampling: float, windows: float = 1.0, dimensions: int = 1
    ) -> tuple[float, float]:
        """Return the variance of a difference, and its degrees of freedom.

        ``sampling`` is that of both sides' rows; ``windows`` are the levels that differ, 1 + 1/k of
        one beside the mean of k. Welch's and Satterthwaite's. Of fewer ``dimensions``, as where the
        seldom are together, each has more of it.
        """
        more = self.dimensions / dimensions
        whole = sampling + windows * self.variance * more
        ratio = 1 + (self.ratio - 1) * more
        return whole, self.free * (whole * self.size / (windows * ratio)) ** 2


def sways(earlier: Sequence[Earlier]) -> dict[str, Sway]:
    """Return how each variable's level wanders, as the windows before have it, oldest first."""
    names = earlier[-1].variables if earlier else ()
    found = {name: sway(name, earlier) for name in names}
    return {name: one for name, one in found.items() if one is not None}


def sway(name: str, earlier: Sequence[Earlier]) -> Sway | None:
    """Return how a variable's level wanders, as the windows before have it; or nothing of few."""
    some = [(one, one.variables[name]) for one in earlier if name in one.variables]
    some = [(one, row) for one, row in some if row.get("shift_effect") is not None]
    if not some:
        return None
    ago = np.array([one.ago.total_seconds() for one, _ in some])
    if "counts" not in some[-1][1]:
        rows = np.array([one.n * (1.0 - row["null_share"]) for one, row in some])
        levels = np.array([[row["shift_effect"]] for _, row in some])
        return _least(rows, levels, 1, ago)
    counts = [(at, row["counts"]) for at, (_, row) in zip(ago, some, strict=True)
              if len(row.get("counts", ())) == len(some[-1][1]["counts"])]  # fmt: skip
    table = np.array([row for _, row in counts], np.float64)
    table = table[:, table.any(axis=0)]
    rows = table.sum(axis=1)
    if table.shape[1] < 2 or not rows.all():  # noqa: PLR2004 - one slot cannot wander
        return None
    spread = np.sqrt(table.sum(axis=0) / table.sum())
    levels = table / rows[:, None] / spread
    return _least(rows, levels, table.shape[1] - 1, np.array([at for at, _ in counts]))


def placed(bins: Bins, expected: Ints, actual: Ints) -> dict[str, list[int]]:
    """Return what a later window takes the level of categories from; of numbers it is their effect.

    Rows by slot, as they can be compared with the baseline (``merged``).
    """
    if bins.binning is not Binning.CATEGORIES:
        return {}
    return {"counts": [int(one) for one in merged(bins, expected, actual)[1]]}


def _least(rows: Floats, levels: Floats, dimensions: int, ago: Floats) -> Sway | None:
    """Return the sway beside windows of the same place of the week, of the day, or beside all.

    Where a rhythm is none of the wandering the first of them says least, of few windows the last.
    """
    found, seen = [], set()
    for step in (_WEEK, _DAY, timedelta(0)):
        places = ago % step.total_seconds() if step else np.zeros(len(ago))
        kind = np.unique(places, return_inverse=True)[1].astype(np.int64)
        if kind.tobytes() not in seen:
            seen.add(kind.tobytes())
            found += _about(rows, levels, dimensions, kind)
    return min(found)[1] if found else None


def _about(rows: Floats, levels: Floats, dimensions: int, kind: Ints) -> list[tuple[float, Sway]]:
    """Return the sway about the sides of that cut which leaves least, so that no change is in it.

    Cuts are before each window, the first one's is none. Least is what the ratio may be at most, as
    few windows show less by chance.
    """
    kinds = np.eye(int(kind.max()) + 1)[kind]
    weighted = kinds * rows[:, None]
    levels = levels - rows @ levels / rows.sum()
    squares, free, size = (np.zeros(len(rows)) for _ in range(3))
    counts, heavy, twice = (_sides(one) for one in (kinds, weighted, weighted * rows[:, None]))
    sums = _sides(weighted[:, :, None] * levels[:, None])
    whole = _sides((rows[:, None] * levels**2).sum(axis=1))
    for side in (0, 1):
        share = np.divide(1.0, heavy[side], out=np.zeros_like(heavy[side]), where=counts[side] > 0)
        squares += whole[side] - ((sums[side] ** 2).sum(axis=2) * share).sum(axis=1)
        free += (counts[side] - (counts[side] > 0)).sum(axis=1)
        size += (heavy[side] - twice[side] * share).sum(axis=1)
    known = free >= _LEAST
    if not known.any():
        return []
    most = np.full(len(rows), np.inf)
    most[known] = squares[known] / chdtri(free[known] * dimensions, LIKELY)
    cut = int(np.argmin(most))
    freely = float(free[cut])
    ratio = max(float(squares[cut]) / (freely * dimensions), 1.0)
    each = float(size[cut]) / freely
    wide = 1.0
    if dimensions > 1:
        group = np.unique(2 * kind + (np.arange(len(rows)) >= cut), return_inverse=True)[1]
        centre = np.stack([np.bincount(group, rows * one) for one in levels.T], axis=1)
        away = levels - (centre / np.bincount(group, rows)[:, None])[group]
        wide = _directions(np.sqrt(rows)[:, None] * away, freely, dimensions)
    found = Sway((ratio - 1) / each, ratio, each, freely, dimensions, wide)
    return [(float(most[cut]), found)]


def _sides(values: Floats) -> tuple[Floats, Floats]:
    """Return the sums before each of the rows, and from it on."""
    sofar = np.cumsum(values, axis=0)
    return sofar - values, sofar[-1] - sofar + values


def _directions(away: Floats, free: float, dimensions: int) -> float:
    """Return (tr Σ)²/tr Σ² of the windows' covariance: so many directions are as good as equal.

    Satterthwaite's for Rao and Scott's second order; tr Σ² without the bias that few windows bring.
    """
    whole = float((away**2).sum()) / free
    both = float(((away @ away.T) ** 2).sum()) / free**2
    own = free**2 / ((free - 1) * (free + 2)) * (both - whole**2 / free)
    return min(max(whole**2 / own, 1.0), float(dimensions)) if own > 0 else float(dimensions)
