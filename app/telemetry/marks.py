"""Where among a variable's marks its values lie. Pure.

A binary search goes a way of its own for every value, which no processor foresees. Between the
first mark and the last lie equal cells in place of it: the cell that a value falls into says how
many marks lie before, and with the one or two that share the cell it is compared itself. Rounded
as it is, the way to a cell is monotone: a mark of an earlier cell is a lesser one for certain.
"""

from functools import lru_cache
from typing import Literal, NamedTuple, Self

import numpy as np

from app.kit.arrays import Floats, Ints

Side = Literal["left", "right"]

_CELLS = 1 << 10
_FEWEST = 4
"""Among fewer marks than these the search is as short."""
_SHARED = 4
"""More marks in one cell are searched for, as always."""
_BLOCK = 1 << 17
"""So many values at a time: few enough to stay near the processor, and enough that threads which
count beside one another seldom wait for their turn."""


class _Grid(NamedTuple):
    first: float
    scale: float
    before: Ints
    """How many marks lie in the cells before, shaped (cells,)."""
    within: list[Floats]
    """The first mark of each cell, the second, …; NaN where there is none."""

    @classmethod
    def of(cls, marks: Floats) -> Self | None:
        """Return the cells between marks; nothing where there are few, or many in a cell."""
        if len(marks) < _FEWEST or not np.isfinite(marks).all():
            return None
        with np.errstate(over="ignore"):
            scale = _CELLS / (marks[-1] - marks[0])
        if not 0.0 < scale < np.inf:
            return None
        cells = _cells(marks, marks[0], scale)
        count = np.bincount(cells, minlength=_CELLS + 2)
        if count.max() > _SHARED:
            return None
        before = np.cumsum(count) - count
        padded = np.append(marks, np.full(_SHARED, np.nan))
        within = [
            np.where(index < count, padded[before + index], np.nan) for index in range(count.max())
        ]
        return cls(float(marks[0]), float(scale), before, within)


def _cells(values: Floats, first: float, scale: float) -> Ints:
    """Return the cell of each value; any at all of what is no number, below nought of the least."""
    cells = values - first
    cells *= scale
    np.minimum(cells, _CELLS + 1, out=cells)
    return cells.astype(np.int64)


@lru_cache(1024)
def _known(marks: tuple[float, ...]) -> tuple[Floats, _Grid | None]:
    column = np.array(marks, np.float64)
    return column, _Grid.of(column)


def search(marks: tuple[float, ...], values: Floats, side: Side) -> Ints:
    """Return how many ascending marks lie below each value, with ``right`` those that it equals.

    As ``np.searchsorted``; of what is no number, any place.
    """
    column, grid = _known(marks)
    if grid is None:
        return np.searchsorted(column, values, side)
    passed = np.greater if side == "left" else np.greater_equal
    with np.errstate(over="ignore", invalid="ignore"):
        blocks = [values[start : start + _BLOCK] for start in range(0, len(values), _BLOCK)]
        found = [_places(some, grid, passed) for some in blocks or [values]]
    return found[0] if len(found) == 1 else np.concatenate(found)


def _places(values: Floats, grid: _Grid, passed: np.ufunc) -> Ints:
    cells = _cells(values, grid.first, grid.scale)
    found: Ints = grid.before.take(cells, mode="clip")
    for marks in grid.within:
        found += passed(values, marks.take(cells, mode="clip"))
    return found
