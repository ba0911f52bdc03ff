"""Numeric columns that lie apart, counted here as their engine reads them. Pure.

An embedded engine has a column's values in this process already. What it does well is to read and
to cast them; a slot a value it finds by as many comparisons as a bin has bits, and sums it gathers
row by row. So its values are counted as those of events are, block by block.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.kit.arrays import Floats, Ints
from app.telemetry.layout import Bins

BLOCK = 1 << 17
"""Rows at a time (see ``marks``)."""
Row = tuple[int | None, int, int, float, float, float, float]
"""Hour's begin in seconds since 1970 or none, slot, rows, sum, least, greatest, sum of squares."""
_NEVER = np.iinfo(np.int64).min
_RUN = 64
"""Rows of one hour that lie together are looked at as they lie, if they are so many on average."""


@dataclass(slots=True)
class _Hour:
    """What an hour's values come to: by slot, and of the variable."""

    counts: Ints
    sums: Floats
    least: float = np.inf
    greatest: float = -np.inf
    squares: float = 0.0

    def add(self, codes: Ints, values: Floats) -> None:
        slots = len(self.counts)
        self.counts += np.bincount(codes, minlength=slots)
        if not len(values):
            return
        low, high = float(values.min()), float(values.max())
        if np.isnan(low):
            there = ~np.isnan(values)
            codes, values = codes[there], values[there]
            low, high = float(values.min(initial=np.inf)), float(values.max(initial=-np.inf))
        self.sums += np.bincount(codes, values, slots)
        self.least, self.greatest = min(self.least, low), max(self.greatest, high)
        with np.errstate(over="ignore"):
            self.squares += float(np.einsum("i,i", values, values))


def counted(bins: Bins, start: int, batches: Iterable[Any]) -> Iterator[Row]:
    """Count a numeric variable whose run of slots begins at ``start``.

    ``batches`` are Arrow's, with a column of doubles ``value`` and, unless times do not matter, one
    of whole seconds ``hour``. Least, greatest and squares are the variable's of that hour, which
    every row of it says, squares the first alone.
    """
    hours: dict[int, _Hour] = {}
    for batch in batches:
        column = batch.column("value").to_numpy(zero_copy_only=False)  # NaN where it has none
        codes, values = bins.place(column)
        for hour, mine in _by_hour(batch):
            if hour not in hours:
                hours[hour] = _Hour(np.zeros(bins.slots, np.int64), np.zeros(bins.slots))
            hours[hour].add(codes[mine], values[mine])
    for hour, found in hours.items():
        seconds = None if hour == _NEVER else hour
        squares = found.squares
        for slot in np.flatnonzero(found.counts).tolist():
            n, total = int(found.counts[slot]), float(found.sums[slot])
            yield seconds, start + slot, n, total, found.least, found.greatest, squares
            squares = 0.0


def _by_hour(batch: Any) -> Iterator[tuple[int, slice | Ints]]:
    if "hour" not in batch.schema.names:
        yield _NEVER, slice(None)
        return
    hours = batch.column("hour").fill_null(_NEVER).to_numpy(zero_copy_only=False)
    order: slice | Ints = slice(None)
    ends = np.append(np.flatnonzero(np.diff(hours)) + 1, len(hours))
    if _RUN * len(ends) > len(hours):  # in no order of time
        order = np.argsort(hours, kind="stable")
        hours = hours[order]
        ends = np.append(np.flatnonzero(np.diff(hours)) + 1, len(hours))
    for begin, end in zip([0, *ends.tolist()], ends.tolist(), strict=False):
        if begin < end:
            mine = slice(begin, end) if isinstance(order, slice) else order[begin:end]
            yield int(hours[begin]), mine
