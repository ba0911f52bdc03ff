"""The events of an Arrow stream, by column, where nothing about them is odd. Pure.

What ``arrow`` makes rows of one by one is nearly always plain: no token is missing, every number is
one. Then its columns are taken as they lie there, and no value is looked at by itself.
"""

from typing import Any

import numpy as np

from app.kit.arrays import Floats, Ints
from app.telemetry import arrow
from app.telemetry.batch import NAMELESS
from app.telemetry.events import FIELDS
from app.telemetry.features import Columns
from app.telemetry.wholesale import FEWEST, NOT_PLAIN, Sent, Texts, require


def sent_of(raw: bytes) -> Sent | None:
    """Return the events of a stream by column; nothing, if they have to be looked at by row."""
    with arrow.opened(raw) as batches:
        try:
            whole = _one(batches)
            return None if whole.num_rows < FEWEST else _Columns(whole).sent()
        except NOT_PLAIN:
            return None


def _one(batches: list[Any]) -> Any:
    """Return record batches as one."""
    if len(batches) == 1:
        return batches[0]
    (whole,) = arrow.library().Table.from_batches(batches).combine_chunks().to_batches()
    return whole


class _Columns:
    """The columns of a record batch."""

    def __init__(self, batch: Any) -> None:
        require(FIELDS.issuperset(batch.schema.names))
        self._pa = arrow.library()
        self._size: int = batch.num_rows
        self._columns = dict(zip(batch.schema.names, batch.columns, strict=True))

    def sent(self) -> Sent:
        """Return what was sent."""
        return Sent(
            token=self._tokens(),
            at=self._times(),
            event_id=self._ids(),
            score=self._numbers("score"),
            prediction=self._numbers("prediction"),
            latency_ms=self._numbers("latency_ms"),
            features=self._features(),
        )

    def _column(self, name: str) -> Any:
        """Return a column, if it was sent and says anything."""
        column = self._columns.get(name)
        if column is None or self._pa.types.is_null(column.type):
            return None
        return arrow.plain(column)

    def _tokens(self) -> Texts:
        column = self._column("token")
        require(column is not None and arrow.is_text(column.type) and not column.null_count)
        _, begins, letters = column.buffers()
        width = np.int64 if self._pa.types.is_large_string(column.type) else np.int32
        there = slice(column.offset, column.offset + self._size + 1)
        return Texts(
            np.frombuffer(letters, np.uint8), np.frombuffer(begins, width)[there].astype(np.int64)
        )

    def _times(self) -> list[Any] | Ints:
        column = self._column("at")
        require(column is not None and not column.null_count)
        if not self._pa.types.is_timestamp(column.type):
            return list(column.to_pylist())
        times, by = arrow.TO_MICROS[column.type.unit]
        found: Ints = column.view(self._pa.int64()).to_numpy()
        require(np.abs(found).max() <= np.iinfo(np.int64).max // times)
        return found * times // by

    def _ids(self) -> Any:
        column = self._column("event_id")
        if column is None:
            return np.zeros(self._size, "V16")
        if not self._pa.types.is_fixed_size_binary(column.type):
            return column.to_pylist()
        there = slice(column.offset, column.offset + self._size)
        found = np.frombuffer(column.buffers()[1], "V16")[there].copy()
        found[column.is_null().to_numpy(zero_copy_only=False)] = np.void(NAMELESS)
        return found

    def _numbers(self, name: str) -> Floats:
        """Return a column of numbers or truths; NaN is none."""
        column, types = self._column(name), self._pa.types
        if column is None:
            return np.full(self._size, np.nan)
        kind = column.type
        require(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))
        as_floats = column.cast(self._pa.float64(), safe=False)
        found: Floats = as_floats.to_numpy(zero_copy_only=False)
        require(np.count_nonzero(np.isnan(found)) == column.null_count)
        return found

    def _features(self) -> Columns:
        column = self._column(arrow.FEATURES)
        if column is None:
            return Columns(self._size, (), ())
        require(not column.null_count)
        kind = column.type
        names = tuple(kind.field(index).name for index in range(kind.num_fields))
        return Columns(self._size, names, tuple(map(self._values, column.flatten())))

    def _values(self, column: Any) -> Any:
        column, types = arrow.plain(column), self._pa.types
        kind = column.type
        if types.is_integer(kind) and not column.null_count:
            width = np.uint64 if types.is_uint64(kind) else np.int64
            return column.to_numpy().astype(width, copy=False)
        if types.is_floating(kind) and not column.null_count:
            found = column.to_numpy().astype(np.float64, copy=False)
            require(np.isfinite(found).all())
            return found
        values = column.to_pylist()
        if types.is_floating(kind):
            require(all(value is None or np.isfinite(value) for value in values))
        elif arrow.is_text(column.type):
            require(not any(value and "\0" in value for value in values))
        plain = np.empty(self._size, object)
        plain[:] = values
        return plain
