"""Columns as Postgres' binary arrays, packed by numpy. Pure but for psycopg's type.

psycopg writes a list item by item, through an object each; on ingest's path an array is one copy.
"""

import struct
from collections.abc import Iterable

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEAD = struct.Struct(">iiIii")


class Packed(bytes):
    """An array parameter, ready for the wire."""

    __slots__ = ()
    element = array = 0

    @classmethod
    def of(cls, column: "NDArray[np.void] | NDArray[np.number]") -> "Packed":
        """Pack one dimension of big-endian or raw values without nulls."""
        width = column.dtype.itemsize
        items = np.empty(len(column), [("size", ">i4"), ("value", column.dtype)])
        items["size"], items["value"] = width, column
        return cls(_HEAD.pack(1, 0, cls.element, len(column), 1) + items.tobytes())


class Uuids(Packed):
    """Ids: uuid[]."""

    element, array = 2950, 2951


class Doubles(Packed):
    """Numbers: float8[]; NaN stands for null."""

    element, array = 701, 1022


class Bigints(Packed):
    """Whole numbers: int8[]."""

    element, array = 20, 1016


class _Dumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Packed) -> Buffer:
        return obj


for _kind in (Uuids, Doubles, Bigints):
    psycopg.adapters.register_dumper(
        _kind, type(f"{_kind.__name__}Dumper", (_Dumper,), {"oid": _kind.array})
    )


def uuids(ids: Iterable[bytes]) -> Packed:
    """Pack ids of 16 bytes each."""
    return Uuids.of(np.frombuffer(b"".join(ids), "V16"))
