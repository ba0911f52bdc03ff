"""The variables of a batch's events: an object each, as JSON has them, or column by column. Pure.

Which of the two they are is nobody's business but theirs. Columns come of an Arrow stream, and
nothing about them is done value by value that can be done for a column at once.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any, Protocol, Self

import numpy as np
import orjson
from numpy.typing import NDArray

from app.telemetry.arrow import library


class Features(Protocol):
    """Of each event some variables, by name."""

    def __len__(self) -> int:
        """Return of how many events."""
        ...

    def only(self, chosen: NDArray[Any]) -> Self:
        """Return those of the events at some places, or where a mask says so."""
        ...

    def objects(self) -> list[dict[str, Any]]:
        """Return an object an event."""
        ...

    def texts(self) -> list[bytes]:
        """Return each event's as a JSON document."""
        ...

    def carried(self) -> Sequence[Collection[str]]:
        """Return the names that each event carries."""
        ...

    def of(self, names: Sequence[str]) -> tuple[list[Any], bool]:
        """Return the values of each variable, and whether all events carry just those."""
        ...


@dataclass(frozen=True, slots=True)
class Objects:
    """Variables as an object an event."""

    rows: NDArray[np.object_]

    @classmethod
    def gather(cls, rows: Sequence[dict[str, Any]]) -> Self:
        """Keep objects as they are."""
        found = np.empty(len(rows), object)
        found[:] = rows
        return cls(found)

    def __len__(self) -> int:
        return len(self.rows)

    def only(self, chosen: NDArray[Any]) -> Self:
        """Return those of the events at some places, or where a mask says so."""
        return type(self)(self.rows[chosen])

    def objects(self) -> list[dict[str, Any]]:
        """Return an object an event."""
        found: list[dict[str, Any]] = self.rows.tolist()
        return found

    def texts(self) -> list[bytes]:
        """Return each event's as a JSON document."""
        return list(map(orjson.dumps, self.rows))

    def carried(self) -> Sequence[Collection[str]]:
        """Return the names that each event carries."""
        return self.objects()

    def of(self, names: Sequence[str]) -> tuple[list[Any], bool]:
        """Return the values of each variable, and whether all events carry just those."""
        rows = self.objects()
        if len(names) > 1:
            pick = itemgetter(*names)
            try:
                columns: list[Any] = list(zip(*map(pick, rows), strict=True))
            except KeyError:
                pass
            else:
                return columns, max(map(len, rows)) == len(names)
        return [[one.get(name) for one in rows] for name in names], False


@dataclass(frozen=True, slots=True)
class Columns:
    """Variables that all events carry: numbers that are there and finite, or plain values."""

    size: int
    names: tuple[str, ...]
    values: tuple[NDArray[Any], ...]
    """A column a name, each of ``float64``, ``int64``, ``uint64`` or of objects."""

    def __len__(self) -> int:
        return self.size

    def only(self, chosen: NDArray[Any]) -> Self:
        """Return those of the events at some places, or where a mask says so."""
        size = int(np.count_nonzero(chosen)) if chosen.dtype == bool else len(chosen)
        return type(self)(size, self.names, tuple(column[chosen] for column in self.values))

    def objects(self) -> list[dict[str, Any]]:
        """Return an object an event."""
        if not self.names:
            return [{} for _ in range(self.size)]
        rows = zip(*(column.tolist() for column in self.values), strict=True)
        return [dict(zip(self.names, row, strict=True)) for row in rows]

    def texts(self) -> list[bytes]:
        """Return each event's as a JSON document."""
        if not self.names or not self.size:
            return [b"{}"] * self.size
        ends = [b","] * (len(self.names) - 1) + [b"}"]
        keys = [orjson.dumps(name) + b":" for name in self.names]
        keys[0] = b"{" + keys[0]
        pieces = chain.from_iterable(zip(keys, map(_spelled, self.values, ends), strict=True))
        # Arrow joins them without an object a value, in half the time.
        found: list[bytes] = library().compute.binary_join_element_wise(*pieces, b"").to_pylist()
        return found

    def carried(self) -> Sequence[Collection[str]]:
        """Return the names that each event carries."""
        return [self.names] * self.size

    def of(self, names: Sequence[str]) -> tuple[list[Any], bool]:
        """Return the values of each variable, and whether all events carry just those."""
        mine = dict(zip(self.names, self.values, strict=True))
        none = np.full(self.size, None)
        columns: list[Any] = [_plain(mine.get(name, none)) for name in names]
        return columns, mine.keys() == set(names)


def joined(parts: Sequence[Features]) -> Features:
    """Return the variables of several batches' events."""
    first, *others = parts
    if isinstance(first, Columns):
        alike = [one for one in others if isinstance(one, Columns) and one.names == first.names]
        if len(alike) == len(others):
            columns = zip(*(one.values for one in (first, *alike)), strict=True)
            values = tuple(_concatenated(column) for column in columns)
            return Columns(sum(map(len, parts)), first.names, values)
    return Objects.gather([row for one in parts for row in one.objects()])


def _concatenated(columns: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return columns behind each other; whole numbers do not become others by it."""
    if len({column.dtype for column in columns}) > 1:
        columns = [column.astype(object) for column in columns]
    return np.concatenate(columns)


def _plain(column: NDArray[Any]) -> Any:
    """Return a column of objects as a list: they may be nulls, or no numbers."""
    return column.tolist() if column.dtype == object else column


def _spelled(column: NDArray[Any], end: bytes) -> Any:
    """Return each value as JSON, with a sign behind it, as Arrow's column of them."""
    pa = library()
    if column.dtype == object:
        return pa.array([orjson.dumps(value) + end for value in column], pa.binary())
    whole = orjson.dumps(np.ascontiguousarray(column), option=orjson.OPT_SERIALIZE_NUMPY)
    (commas,) = np.nonzero(np.frombuffer(whole, np.uint8) == ord(","))
    begins = np.concatenate([[0], commas, [len(whole) - 1]]).astype(np.int32) + 1
    letters = whole[:-1].replace(b",", end) + end
    buffers = [None, pa.py_buffer(begins), pa.py_buffer(letters)]
    return pa.Array.from_buffers(pa.binary(), len(column), buffers)
