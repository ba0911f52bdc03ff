"""Rows as Postgres' binary COPY takes them, packed all at once. Pure.

psycopg looks up a dumper for every value it writes; here rows are records of numpy, one layout for
all of those that have the same fields.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.kit.arrays import Ints

_EPOCH = 946_684_800_000_000  # 2000-01-01 in microseconds since 1970
_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
_JSONB = 1


class Field(NamedTuple):
    """A column's values, in the bytes that are sent, and where there is none."""

    values: NDArray[Any]
    null: NDArray[np.bool_] | None = None


def times(micros: Ints) -> Field:
    """Return a column of times, given in microseconds since 1970."""
    return Field((micros - _EPOCH).astype(">i8"))


def floats(values: NDArray[np.floating[Any]]) -> Field:
    """Return a column of numbers; NaN is none."""
    return Field(values.astype(">f8"), np.isnan(values))


def rows(fields: Sequence[Field], documents: Sequence[bytes] = ()) -> bytes:
    """Return rows of some fields and, behind them, a ``jsonb`` each, if there are documents."""
    sizes = np.fromiter(map(len, documents), np.int64, len(documents)) + 1 if documents else None
    null = _nulls(fields)
    patterns = np.unique(null)
    heads: list[Any] = []
    for pattern in patterns.tolist():
        if len(patterns) == 1:
            heads = _heads(fields, pattern, slice(None), sizes)
            break
        heads = heads or [b""] * len(null)
        chosen = np.flatnonzero(null == pattern)
        found = _heads(fields, pattern, chosen, sizes)
        for place, head in zip(chosen.tolist(), found, strict=True):
            heads[place] = head
    return b"".join((_HEADER, *_alternating(heads, documents), _TRAILER))


def _alternating(heads: list[Any], documents: Sequence[bytes]) -> Iterable[Any]:
    if not documents:
        return heads
    parts = [b""] * (2 * len(heads))
    parts[::2], parts[1::2] = heads, documents
    return parts


def _nulls(fields: Sequence[Field]) -> Ints:
    """Return of each row which of its fields are none, a bit a field."""
    found = np.zeros(len(fields[0].values), np.int64)
    for place, field in enumerate(fields):
        if field.null is not None:
            found |= field.null.astype(np.int64) << place
    return found


def _heads(fields: Sequence[Field], pattern: int, chosen: Any, sizes: Ints | None) -> list[Any]:
    kinds = tuple(
        None if pattern >> place & 1 else field.values.dtype for place, field in enumerate(fields)
    )
    template = _template(kinds, sizes is not None)
    found = np.repeat(template, len(fields[0].values[chosen]))
    for place, field in enumerate(fields):
        if kinds[place] is not None:
            found[f"value {place}"] = field.values[chosen]
    if sizes is not None:
        found["size of document"] = sizes[chosen]
    return found.view(f"V{template.dtype.itemsize}").tolist()


@lru_cache
def _template(kinds: tuple[np.dtype[Any] | None, ...], document: bool) -> NDArray[Any]:  # noqa: FBT001
    """Return a row with its sizes filled in; of a null there is a size only."""
    layout: list[tuple[str, Any]] = [("columns", ">i2")]
    for place, kind in enumerate(kinds):
        layout.append((f"size {place}", ">i4"))
        if kind is not None:
            layout.append((f"value {place}", kind))
    if document:
        layout += [("size of document", ">i4"), ("format of document", "i1")]
    row = np.zeros(1, layout)
    row["columns"] = len(kinds) + document
    for place, kind in enumerate(kinds):
        row[f"size {place}"] = -1 if kind is None else kind.itemsize
    if document:
        row["format of document"] = _JSONB
    return row
