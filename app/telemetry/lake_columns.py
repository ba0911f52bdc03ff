"""Numeric columns that lie apart, counted here as their engine reads them. Pure.

An embedded engine has a column's values in this process already. What it does well is to read and
to cast them; a slot a value it finds by as many comparisons as a bin has bits, and sums it gathers
row by row. So its values are counted as those of events are, block by block.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from app.kit.arrays import Floats, Ints, distinct
from app.telemetry.lake_profile import Row
from app.telemetry.layout import Bins

BLOCK = 1 << 17
"""Rows at a time (see ``marks``)."""
_HOUR = 3600
_NEVER = -_HOUR << 40
"""Stands for the hour of what has no time: before all times there are."""
_AT_A_TIME = 1024
"""So many hours' rows are numbers of Python's at once."""


class _Hours:
    """What a variable's values come to, hour by hour: by slot, and all of them.

    Every array is flat, and has room for more hours than there are.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._places: dict[int, int] = {}
        self._counts, self._sums = np.zeros(0, np.int64), np.zeros(0)
        self._least, self._greatest, self._squares = np.zeros(0), np.zeros(0), np.zeros(0)

    def add(self, hours: Ints | None, codes: Ints, values: Floats) -> None:
        """Take rows in: their hours, or all of none; their slots; numbers, NaN where none is."""
        if not len(codes):
            return
        whose = self._whose(hours)
        cells = codes if whose is None else whose * self._slots + codes
        np.add.at(self._counts, cells, 1)
        if np.isnan(values.min()):
            there = ~np.isnan(values)
            cells, values = cells[there], values[there]
            whose = None if whose is None else whose[there]
        with np.errstate(over="ignore"):  # what is beyond all numbers stays so
            np.add.at(self._sums, cells, values)
            self._reach(whose, values)

    def _whose(self, hours: Ints | None) -> Ints | None:
        """Return the place of each row's hour, nothing where all are of none."""
        if hours is None:
            self._room([_NEVER])
            return None
        first = int(hours.min())
        places = (hours - first) // _HOUR
        named, whose = distinct(places, int(places.max()) + 1)
        return self._room((first + named * _HOUR).tolist())[whose]

    def _room(self, named: list[int]) -> Ints:
        """Return the places of hours, made for those that are new."""
        mine = [self._places.setdefault(one, len(self._places)) for one in named]
        held = len(self._squares)
        if len(self._places) > held:
            more = max(len(self._places), 2 * held) - held
            cells = np.zeros(more * self._slots, np.int64)
            self._counts = np.concatenate([self._counts, cells])
            self._sums = np.concatenate([self._sums, cells], dtype=np.float64)
            self._least = np.concatenate([self._least, np.full(more, np.inf)])
            self._greatest = np.concatenate([self._greatest, np.full(more, -np.inf)])
            self._squares = np.concatenate([self._squares, np.zeros(more)])
        return np.array(mine)

    def _reach(self, whose: Ints | None, values: Floats) -> None:
        """Note least and greatest value and the sum of squares, of each hour or of none."""
        if whose is None:
            self._least[0] = values.min(initial=self._least[0])
            self._greatest[0] = values.max(initial=self._greatest[0])
            self._squares[0] += np.einsum("i,i", values, values)
            return
        np.minimum.at(self._least, whose, values)
        np.maximum.at(self._greatest, whose, values)
        np.add.at(self._squares, whose, values * values)

    def rows(self, start: int) -> Iterator[Row]:
        """Yield what there is by hour and slot, the variable's run of which begins somewhere.

        Least, greatest and squares are all of an hour's: every row says them, squares the first.
        """
        named = [None if one == _NEVER else one for one in self._places]
        for begin in range(0, len(named), _AT_A_TIME):
            end = min(begin + _AT_A_TIME, len(named))
            cells = np.flatnonzero(self._counts[begin * self._slots : end * self._slots])
            cells += begin * self._slots
            whose = cells // self._slots
            squares = np.where(np.diff(whose, prepend=-1) > 0, self._squares[whose], 0.0)
            columns = (
                cells - whose * self._slots + start, self._counts[cells], self._sums[cells],
                self._least[whose], self._greatest[whose], squares,
            )  # fmt: skip
            hours = (named[one] for one in whose.tolist())
            yield from zip(hours, *(one.tolist() for one in columns), strict=True)


def counted(bins: Bins, start: int, batches: Iterable[Any]) -> Iterator[Row]:
    """Count a numeric variable whose run of slots begins at ``start``.

    ``batches`` are Arrow's, with a column of doubles ``value`` and, unless times do not matter, one
    of whole seconds ``hour``.
    """
    found = _Hours(bins.slots)
    for batch in batches:
        column = batch.column("value").to_numpy(zero_copy_only=False)  # NaN where it has none
        hours = None
        if "hour" in batch.schema.names:
            hours = batch.column("hour").fill_null(_NEVER).to_numpy(zero_copy_only=False)
        found.add(hours, *bins.place(column))
    return found.rows(start)
