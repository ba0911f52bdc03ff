"""Mergeable profiles: counts and sums per slot, pure.

A tally can be added to any other of the same size, in any order, with the same result for the
counts (sums are floats and agree to rounding). Stored sparsely: an hour with two events costs a
few hundred bytes, one with a million not many more.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from app.kit.arrays import Floats, Ints

_HEAD = struct.Struct("<QIII")


@dataclass(slots=True)
class Tally:
    """Counts and sums of ``n`` rows.

    ``counts`` and ``sums`` have one place a slot; ``moments`` has a row a variable: least value,
    greatest value, sum of squares.
    """

    n: int
    counts: Ints
    sums: Floats
    moments: Floats

    @classmethod
    def empty(cls, slots: int, variables: int) -> Self:
        """Return the tally of no rows."""
        moments = np.zeros((variables, 3))
        moments[:, 0], moments[:, 1] = np.inf, -np.inf
        return cls(0, np.zeros(slots, np.int64), np.zeros(slots), moments)

    def add(self, other: Self) -> None:
        """Take the rows of ``other`` in."""
        if other.counts.shape != self.counts.shape:
            raise ValueError("These tallies have different layouts.")
        self.n += other.n
        self.counts += other.counts
        self.sums += other.sums
        self.moments[:, 0] = np.minimum(self.moments[:, 0], other.moments[:, 0])
        self.moments[:, 1] = np.maximum(self.moments[:, 1], other.moments[:, 1])
        self.moments[:, 2] += other.moments[:, 2]

    def encode(self) -> bytes:
        """Return the tally as bytes, empty slots left out."""
        used = np.flatnonzero((self.counts != 0) | (self.sums != 0.0))
        return b"".join(
            (
                _HEAD.pack(self.n, len(self.counts), len(used), len(self.moments)),
                used.astype("<u4").tobytes(),
                self.counts[used].astype("<i8").tobytes(),
                self.sums[used].astype("<f8").tobytes(),
                self.moments.astype("<f8").tobytes(),
            )
        )

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Return the tally that ``encode`` wrote."""
        n, slots, used, variables = _HEAD.unpack_from(raw)
        at = _HEAD.size
        index = np.frombuffer(raw, "<u4", used, at)
        at += 4 * used
        counts = np.zeros(slots, np.int64)
        counts[index] = np.frombuffer(raw, "<i8", used, at)
        at += 8 * used
        sums = np.zeros(slots)
        sums[index] = np.frombuffer(raw, "<f8", used, at)
        at += 8 * used
        moments = np.frombuffer(raw, "<f8", 3 * variables, at).reshape(variables, 3).copy()
        return cls(n, counts, sums, moments)


def total(tallies: Iterable[Tally]) -> Tally | None:
    """Return the sum of tallies, or ``None`` of none."""
    found: Tally | None = None
    for tally in tallies:
        if found is None:
            found = Tally(tally.n, tally.counts.copy(), tally.sums.copy(), tally.moments.copy())
        else:
            found.add(tally)
    return found


def tally(codes: Ints, values: Floats, slots: int) -> Tally:
    """Return the tally of rows given as slots and numbers, both shaped (rows, variables).

    A number is NaN where the row has none; it counts in its slot and nowhere else.
    """
    known = ~np.isnan(values)
    zeroed = np.where(known, values, 0.0)
    found = Tally.empty(slots, codes.shape[1])
    found.n = len(codes)
    found.counts[:] = np.bincount(codes.ravel(), minlength=slots)
    found.sums[:] = np.bincount(codes.ravel(), weights=zeroed.ravel(), minlength=slots)
    if len(codes):
        found.moments[:, 0] = np.where(known, values, np.inf).min(axis=0)
        found.moments[:, 1] = np.where(known, values, -np.inf).max(axis=0)
        found.moments[:, 2] = np.square(zeroed).sum(axis=0)
    return found


def by_hour(hours: Ints, codes: Ints, values: Floats, slots: int) -> Iterator[tuple[int, Tally]]:
    """Yield one tally for each distinct hour, hours being counted since 1970."""
    if not len(hours):
        return
    order = np.argsort(hours, kind="stable")
    hours, codes, values = hours[order], codes[order], values[order]
    starts = np.flatnonzero(np.diff(hours, prepend=hours[:1] - 1))
    for start, end in zip(starts, [*starts[1:], len(hours)], strict=True):
        yield int(hours[start]), tally(codes[start:end], values[start:end], slots)
