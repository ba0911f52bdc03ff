"""Rows of an Arrow stream, as the objects that JSON would have made of them.

A column of the stream is a field; ``features`` is a struct of the variables, as
``pyarrow.Table.from_pylist(events)`` makes it. A null is a field that was not sent. ``at`` is a
timestamp with a zone or RFC 3339 text; ids are text, or 16 bytes. Pure.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from typing import Any
from uuid import UUID

import orjson

from app.kit.refusal import Malformed, TooLarge
from app.telemetry.events import MAX_EVENTS, BadEvent, Micros
from app.telemetry.ipc import require_honest

MAX_COLUMNS = 2_000
MAX_CELLS = 2_000_000
MAX_TEXT = 16 << 20
"""A dictionary spells a word as often as it is used, and JSON a sign by six."""
MAX_NAMES = 64 << 20
"""A stream names its features once, and the JSON that is stored of it names them of every event."""
FEATURES = "features"
_ID_BYTES = 16


class BadColumns(BadEvent):
    """The stream's columns are not those of such rows."""

    code = "bad_columns"
    title = "Unusable columns"
    mend = "Send columns of numbers, truths, text and times, features as a struct of its variables."


def rows_of(raw: bytes) -> list[Any]:
    """Return the rows of a stream; in place of one that JSON could not carry, why not."""
    with opened(raw) as batches:
        return [row for batch in batches for row in _rows(batch)]


@contextmanager
def opened(raw: bytes) -> Iterator[list[Any]]:
    """Open a stream; yield its record batches, if what they are can be read at all."""
    rows = require_honest(raw, rows=MAX_EVENTS)
    pa = library()
    try:
        with pa.ipc.open_stream(pa.py_buffer(raw)) as stream:
            if rows * _columns_of(stream.schema) > MAX_CELLS:
                raise TooLarge(f"The Arrow stream has more than {MAX_CELLS} cells.")
            if rows * _names_in(stream.schema) > MAX_NAMES:
                raise TooLarge(
                    f"The Arrow stream's features would be named by {MAX_NAMES} bytes and more."
                )
            batches = list(stream)
        for batch in batches:
            batch.validate(full=True)
        if sum(map(_text_in, batches)) > MAX_TEXT:
            raise TooLarge(f"The Arrow stream spells more than {MAX_TEXT} bytes of text.")
        yield batches
    except (pa.ArrowException, ValueError, OSError, MemoryError) as error:
        raise Malformed("The Arrow stream is broken.") from error


def library() -> Any:
    """Return pyarrow."""
    import pyarrow.compute  # noqa: PLC0415 - 60 MB that only processes sent a stream carry

    return pyarrow


def _columns_of(schema: Any) -> int:
    """Refuse columns that are not read; return how many there are."""
    types = library().types
    names = _distinct(schema.names, "columns")
    for field in schema:
        if field.name != FEATURES:
            _require_readable(field.type, field.name, own=True)
    if FEATURES not in names or types.is_null(schema.field(FEATURES).type):
        return len(names)
    features = schema.field(FEATURES).type
    if not types.is_struct(features):
        raise BadColumns("features is a struct of variable names and values.")
    inside = [features.field(index) for index in range(features.num_fields)]
    _distinct([field.name for field in inside], "features")
    for field in inside:
        _require_readable(field.type, f"features.{field.name}", own=False)
        if "\0" in field.name:
            raise BadColumns("A feature's name holds the NUL character, which cannot be stored.")
    return len(names) + len(inside)


def _names_in(schema: Any) -> int:
    """Return how many bytes of JSON name an event's features, of columns that were read."""
    if FEATURES not in schema.names:
        return 0
    kind = schema.field(FEATURES).type
    return sum(len(orjson.dumps(kind.field(index).name)) for index in range(kind.num_fields))


def _distinct(names: list[str], what: str) -> set[str]:
    found = set(names)
    if len(found) < len(names):
        raise BadColumns(f"Two {what} have one name.")
    if len(found) > MAX_COLUMNS:
        raise TooLarge(f"More than {MAX_COLUMNS} {what}.", limit=MAX_COLUMNS)
    return found


def _require_readable(kind: Any, name: str, *, own: bool) -> None:
    """Refuse a column's type, if nothing is made of it; times and ids are an event's own."""
    types = library().types
    kind = getattr(kind, "storage_type", kind)
    if types.is_dictionary(kind):
        kind = kind.value_type
    if own and types.is_timestamp(kind):
        if kind.tz is None:
            raise BadColumns(f"The times of {name[:100]!r} have no zone.")
        return
    identity = own and types.is_fixed_size_binary(kind) and kind.byte_width == _ID_BYTES
    if not (identity or is_text(kind) or _is_plain(kind)):
        raise BadColumns(f"{name[:100]!r} is a column of {str(kind)[:100]}, which is not read.")


def _is_plain(kind: Any) -> bool:
    types = library().types
    single = types.is_float32(kind) or types.is_float64(kind)
    return bool(types.is_integer(kind) or types.is_boolean(kind) or types.is_null(kind) or single)


def is_text(kind: Any) -> bool:
    """Say whether a column of this type is text."""
    types = library().types
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _text_in(batch: Any) -> int:
    """Return how many bytes of text a batch spells, its dictionaries' words as often as used."""
    pa = library()
    size = 0
    for column in _flat(batch):
        stored = getattr(column, "storage", column)
        if pa.types.is_dictionary(stored.type) and is_text(stored.type.value_type):
            lengths = pa.compute.binary_length(stored.dictionary).take(stored.indices)
        elif is_text(stored.type):
            lengths = pa.compute.binary_length(stored)
        else:
            continue
        size += pa.compute.sum(lengths).as_py() or 0
    return size


def _flat(batch: Any) -> list[Any]:
    """Return the columns of a batch, with those inside of features in its place."""
    struct = library().types.is_struct
    found: list[Any] = []
    for column in batch.columns:
        found += column.flatten() if struct(column.type) else [column]
    return found


def _rows(batch: Any) -> list[Any]:
    rows: list[Any] = [{} for _ in range(batch.num_rows)]
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name != FEATURES:
            for row, value in zip(rows, _values(column), strict=True):
                if value is not None:
                    row[name] = value
    if FEATURES in batch.schema.names:
        features = batch.column(FEATURES)
        if library().types.is_struct(features.type):
            _add_features(rows, features)
    return rows


def _add_features(rows: list[Any], features: Any) -> None:
    inside = [features.type.field(index).name for index in range(features.type.num_fields)]
    # Not the children themselves: where the struct is null, they may be anything.
    columns = [_values(column) for column in features.flatten()]
    for index, there in enumerate(features.is_valid().to_pylist()):
        if there:
            rows[index][FEATURES] = {
                name: column[index] for name, column in zip(inside, columns, strict=True)
            }
    for name, column in zip(inside, columns, strict=True):
        for index, value in enumerate(column):
            if type(value) is float and not isfinite(value):
                rows[index] = BadEvent(f"Feature {name[:100]!r} is not finite.")
            elif type(value) is str and "\0" in value:
                rows[index] = BadEvent(f"Feature {name[:100]!r} holds the NUL character.")


def plain(column: Any) -> Any:
    """Return a column without what is around its values: an extension, a dictionary."""
    column = getattr(column, "storage", column)
    coded = library().types.is_dictionary(column.type)
    return column.dictionary_decode() if coded else column


def _values(column: Any) -> list[Any]:
    pa = library()
    column = plain(column)
    kind = column.type
    if pa.types.is_timestamp(kind):
        return _micros(column.view(pa.int64()).to_pylist(), kind.unit)
    found: list[Any] = column.to_pylist()
    if pa.types.is_fixed_size_binary(kind):
        return [None if value is None else str(UUID(bytes=value)) for value in found]
    return found


TO_MICROS = {"s": (1_000_000, 1), "ms": (1_000, 1), "us": (1, 1), "ns": (1, 1_000)}
"""By the unit of a time: what makes microseconds of it, times and by."""


def _micros(values: list[int | None], unit: str) -> list[Micros | None]:
    times, by = TO_MICROS[unit]
    return [None if value is None else Micros(value * times // by) for value in values]
