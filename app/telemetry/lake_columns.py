"""Numeric columns that lie apart, counted here as their engine reads them. Pure.

An embedded engine has a column's values in this process already. What it does well is to read and
to cast them; a slot a value it finds by as many comparisons as a bin has bits, and sums it gathers
row by row. So its values are counted as those of events are, block by block.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from app.kit.arrays import Floats, Ints
from app.kit.exact import GREATEST
from app.telemetry.lake_profile import Row
from app.telemetry.layout import Bins
from app.telemetry.sheaf import distinct

BLOCK = 1 << 17
"""Rows at a time (see ``marks``)."""
_HOUR = 3600
_NEVER = -_HOUR << 40
"""Stands for the hour of what has no time: before all times there are."""


class _Hours:
    """What a variable's values come to, hour by hour: by slot, and all of them."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._places: dict[int, int] = {}
        self._counts, self._sums = np.zeros((0, slots), np.int64), np.zeros((0, slots))
        self._moments = np.zeros((0, 3))

    def add(self, hours: Ints | None, codes: Ints, values: Floats) -> None:
        """Take rows in: their hours, or all of none; their slots; numbers, NaN where none is."""
        if not len(codes):
            return
        named, whose = np.array([_NEVER]), None
        if hours is not None:
            first = int(hours.min())
            places = (hours - first) // _HOUR
            named, whose = distinct(places, int(places.max()) + 1)
            named = first + named * _HOUR
        mine = self._room(named)
        self._counts[mine] += self._by_slot(whose, codes, len(named))
        if np.isnan(values.min()):
            there = ~np.isnan(values)
            codes, values = codes[there], values[there]
            whose = None if whose is None else whose[there]
        sums = self._by_slot(whose, codes, len(named), values)
        self._sums[mine] += np.clip(sums, -GREATEST, GREATEST)
        with np.errstate(over="ignore"):
            least, greatest, squares = _reach(whose, len(named), values)
        moments = self._moments
        moments[mine, 0] = np.minimum(moments[mine, 0], least)
        moments[mine, 1] = np.maximum(moments[mine, 1], greatest)
        moments[mine, 2] += squares

    def _room(self, named: Ints) -> Ints:
        """Return the places of hours, made for those that are new."""
        mine = [self._places.setdefault(one, len(self._places)) for one in named.tolist()]
        more = len(self._places) - len(self._counts)
        if more:
            empty = np.zeros((more, self._slots), np.int64)
            self._counts = np.concatenate([self._counts, empty])
            self._sums = np.concatenate([self._sums, empty], dtype=np.float64)
            self._moments = np.concatenate([self._moments, [[np.inf, -np.inf, 0.0]] * more])
        return np.array(mine)

    def _by_slot(
        self, whose: Ints | None, codes: Ints, hours: int, values: Floats | None = None
    ) -> Any:
        places = codes if whose is None else whose * self._slots + codes
        return np.bincount(places, values, hours * self._slots).reshape(hours, self._slots)

    def rows(self, start: int) -> Iterator[Row]:
        """Yield what there is by hour and slot, the variable's run of which begins somewhere.

        Least, greatest and squares are all of an hour's: every row says them, squares the first.
        """
        for hour, place in self._places.items():
            seconds = None if hour == _NEVER else hour
            counts, sums = self._counts[place].tolist(), self._sums[place].tolist()
            low, high, squares = self._moments[place].tolist()
            for slot, (n, total) in enumerate(zip(counts, sums, strict=True)):
                if n:
                    yield seconds, start + slot, n, total, low, high, squares
                    squares = 0.0


def _reach(whose: Ints | None, hours: int, values: Floats) -> tuple[Any, Any, Any]:
    """Return least and greatest value and the sum of squares, of each hour or of all."""
    if whose is None:
        low, high = values.min(initial=np.inf), values.max(initial=-np.inf)
        return low, high, np.einsum("i,i", values, values)
    least, greatest = np.full(hours, np.inf), np.full(hours, -np.inf)
    np.minimum.at(least, whose, values)
    np.maximum.at(greatest, whose, values)
    return least, greatest, np.bincount(whose, values * values, hours)


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
