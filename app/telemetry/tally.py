"""Mergeable profiles: counts and sums per slot, pure.

Merged in any order and any batches, tallies of the same rows are the same to the last byte: beside
each sum as a float stands what rounding left of it. Stored sparsely: an hour with two events costs
a few hundred bytes, one with a million not many more.
"""

import struct
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from app.kit.arrays import Floats, Ints
from app.kit.exact import GREATEST, Sums

_HEAD = struct.Struct("<QIII")
_TAIL = struct.Struct("<III")
_FIRST_OUTCOMES = 206
"""So many slots a profile of outcomes had at first; it is one without variables."""


@dataclass(slots=True)
class Tally:
    """Counts and sums of ``n`` rows.

    ``counts`` and ``sums`` have one place a slot; ``moments`` has a row a variable: least value,
    greatest value, sum of squares. ``rest`` is what the floats lack of the exact sums: of every
    slot, then of every variable's squares.
    """

    n: int
    counts: Ints
    sums: Floats
    moments: Floats
    rest: Sums | None = field(default=None, repr=False)

    @classmethod
    def empty(cls, slots: int, variables: int) -> Self:
        """Return the tally of no rows."""
        moments = np.zeros((variables, 3))
        moments[:, 0], moments[:, 1] = np.inf, -np.inf
        return cls(0, np.zeros(slots, np.int64), np.zeros(slots), moments)

    def add(self, other: Self) -> None:
        """Take the rows of ``other`` in, exactly."""
        both = merged([self, other])
        self.n, self.counts, self.moments = both.n, both.counts, both.moments
        self.sums, self.rest = both.sums, both.rest

    def take_sums(self, exact: Sums) -> None:
        """Hold exact sums: of every slot, then of every variable's squares."""
        near = exact.floats()
        slots = len(self.counts)
        self.sums, self.moments[:, 2] = near[:slots], near[slots:]
        self.rest = exact.minus(near)

    def wider(self, slots: int) -> Self:
        """Return the tally with empty slots behind its own, up to ``slots`` of them."""
        missing = slots - len(self.counts)
        if missing <= 0:
            return self
        if len(self.moments):
            raise ValueError("These tallies have different layouts.")
        rest = self.rest and self.rest.wider(slots)
        counts, sums = np.pad(self.counts, (0, missing)), np.pad(self.sums, (0, missing))
        return type(self)(self.n, counts, sums, self.moments, rest)

    def encode(self) -> bytes:
        """Return the tally as bytes, empty slots left out."""
        slots = len(self.counts)
        # Outcomes have got more slots since: who knows of the first ones only reads those.
        first = slots if len(self.moments) else min(slots, _FIRST_OUTCOMES)
        used = np.flatnonzero((self.counts != 0) | (self.sums != 0.0))
        known, more = used[used < first], used[used >= first]
        places, at, digits = self.rest.used() if self.rest else (np.zeros(0, np.int64),) * 3
        return b"".join(
            (
                _HEAD.pack(self.n, first, len(known), len(self.moments)),
                *self._packed(known),
                self.moments.astype("<f8").tobytes(),
                # Behind everything else: who knows of no rest reads up to here.
                _TAIL.pack(len(places), slots, len(more)),
                places.astype("<u4").tobytes(),
                at.astype("u1").tobytes(),
                digits.astype("<i4").tobytes(),
                *self._packed(more),
            )
        )

    def _packed(self, places: Ints) -> tuple[bytes, bytes, bytes]:
        return (
            places.astype("<u4").tobytes(),
            self.counts[places].astype("<i8").tobytes(),
            self.sums[places].astype("<f8").tobytes(),
        )

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Return the tally that ``encode`` wrote, of this release or of the one before."""
        n, slots, used, variables = _HEAD.unpack_from(raw)
        at = _HEAD.size + 20 * used
        moments = np.frombuffer(raw, "<f8", 3 * variables, at).reshape(variables, 3).copy()
        at += 24 * variables
        if at == len(raw):  # of a release that added floats
            counts, sums = np.zeros(slots, np.int64), np.zeros(slots)
            _unpack(raw, _HEAD.size, used, counts, sums)
            return cls(n, counts, sums, moments)
        size, slots, more = _TAIL.unpack_from(raw, at)
        at += _TAIL.size
        counts, sums = np.zeros(slots, np.int64), np.zeros(slots)
        _unpack(raw, _HEAD.size, used, counts, sums)
        _unpack(raw, at + 9 * size, more, counts, sums)
        rest = Sums.sparse(
            np.frombuffer(raw, "<u4", size, at).astype(np.int64),
            np.frombuffer(raw, "u1", size, at + 4 * size).astype(np.int64),
            np.frombuffer(raw, "<i4", size, at + 5 * size).astype(np.int64),
            slots + variables,
        )
        return cls(n, counts, sums, moments, rest)


def _unpack(raw: bytes, at: int, used: int, counts: Ints, sums: Floats) -> None:
    places = np.frombuffer(raw, "<u4", used, at)
    counts[places] = np.frombuffer(raw, "<i8", used, at + 4 * used)
    sums[places] = np.frombuffer(raw, "<f8", used, at + 12 * used)


def total(tallies: Iterable[Tally]) -> Tally | None:
    """Return the sum of tallies for reading, or ``None`` of none: its floats, without a rest."""
    found: Tally | None = None
    for one in _alike(list(tallies)):
        if found is None:
            found = Tally(one.n, one.counts.copy(), one.sums.copy(), one.moments.copy())
            continue
        found.n += one.n
        found.counts += one.counts
        found.sums += one.sums
        found.moments[:, 0] = np.minimum(found.moments[:, 0], one.moments[:, 0])
        found.moments[:, 1] = np.maximum(found.moments[:, 1], one.moments[:, 1])
        found.moments[:, 2] += one.moments[:, 2]
    return found


def summed(payloads: Sequence[bytes]) -> Tally | None:
    """Return the ``total`` of stored tallies, to the last bit, without unpacking each.

    It reads what is counted and added up, and passes over the rest: in a third of the time.
    """
    n = 0
    layouts: set[tuple[int, int]] = set()
    places: list[Ints] = []
    counts: list[Ints] = []
    sums: list[Floats] = []
    moments: list[Floats] = []

    def take(raw: bytes, at: int, used: int) -> None:
        places.append(np.frombuffer(raw, "<u4", used, at))
        counts.append(np.frombuffer(raw, "<i8", used, at + 4 * used))
        sums.append(np.frombuffer(raw, "<f8", used, at + 12 * used))

    for raw in payloads:
        rows, slots, used, variables = _HEAD.unpack_from(raw)
        take(raw, _HEAD.size, used)
        at = _HEAD.size + 20 * used
        moments.append(np.frombuffer(raw, "<f8", 3 * variables, at))
        at += 24 * variables
        if at < len(raw):
            size, slots, more = _TAIL.unpack_from(raw, at)
            take(raw, at + _TAIL.size + 9 * size, more)
        n += rows
        layouts.add((slots, variables))
    if not payloads:
        return None
    slots, variables = _common(layouts)
    found = Tally.empty(slots, variables)
    found.n = n
    where = np.concatenate(places)
    np.add.at(found.counts, where, np.concatenate(counts))
    np.add.at(found.sums, where, np.concatenate(sums))
    each = np.stack(moments).reshape(len(payloads), variables, 3)
    found.moments[:, 0], found.moments[:, 1] = each[:, :, 0].min(axis=0), each[:, :, 1].max(axis=0)
    for one in each:  # in order, as floats are added
        found.moments[:, 2] += one[:, 2]
    return found


def merged(tallies: Sequence[Tally]) -> Tally:
    """Return the exact sum of at least one tally."""
    tallies = _alike(tallies)
    first = tallies[0]
    found = Tally.empty(len(first.counts), len(first.moments))
    found.n = sum(one.n for one in tallies)
    found.counts = np.sum([one.counts for one in tallies], axis=0)
    found.moments[:, 0] = np.min([one.moments[:, 0] for one in tallies], axis=0)
    found.moments[:, 1] = np.max([one.moments[:, 1] for one in tallies], axis=0)
    floats = np.concatenate([part for one in tallies for part in (one.sums, one.moments[:, 2])])
    floats = np.clip(floats, -GREATEST, GREATEST)
    size = len(first.counts) + len(first.moments)
    near = Sums.of(np.tile(np.arange(size), len(tallies)), floats, size)
    found.take_sums(Sums.total([near, *(one.rest for one in tallies if one.rest)], size))
    return found


def _alike(tallies: Sequence[Tally]) -> Sequence[Tally]:
    """Widen what earlier releases wrote with fewer slots; refuse other layouts."""
    layouts = {(len(one.counts), len(one.moments)) for one in tallies}
    if len(layouts) > 1:
        slots, _ = _common(layouts)
        tallies = [one.wider(slots) for one in tallies]
    return tallies


def _common(layouts: Collection[tuple[int, int]]) -> tuple[int, int]:
    """Return the slots and variables that tallies are added with; refuse other layouts."""
    widest = max(layouts)
    if len({variables for _, variables in layouts}) > 1 or (widest[1] and len(layouts) > 1):
        raise ValueError("These tallies have different layouts.")
    return widest


def tally(codes: Ints, values: Floats, slots: int) -> Tally:
    """Return the tally of rows given as slots and numbers, both shaped (rows, variables).

    A number is NaN where the row has none; it counts in its slot and nowhere else.
    """
    found = Tally.empty(slots, codes.shape[1])
    found.n = len(codes)
    found.counts[:] = np.bincount(codes.ravel("K"), minlength=slots)
    if not len(codes):
        return found
    by_variable = values.T + 0.0  # of two zeros, one
    gaps = np.isnan(by_variable)
    found.moments[:, 0] = np.where(gaps, np.inf, by_variable).min(axis=1)
    found.moments[:, 1] = np.where(gaps, -np.inf, by_variable).max(axis=1)
    by_variable[gaps] = 0.0
    with np.errstate(over="ignore"):
        squares = np.minimum(by_variable * by_variable, GREATEST)
    found.take_sums(Sums.of(codes.T.ravel(), by_variable.ravel(), slots).then(Sums.along(squares)))
    return found


def by_hour(hours: Ints, codes: Ints, values: Floats, slots: int) -> Iterator[tuple[int, Tally]]:
    """Yield one tally for each distinct hour, hours being counted since 1970."""
    if not len(hours):
        return
    if (hours == hours[0]).all():
        yield int(hours[0]), tally(codes, values, slots)
        return
    order = np.argsort(hours, kind="stable")
    hours, codes, values = hours[order], codes[order], values[order]
    starts = np.flatnonzero(np.diff(hours, prepend=hours[:1] - 1))
    for start, end in zip(starts, [*starts[1:], len(hours)], strict=True):
        yield int(hours[start]), tally(codes[start:end], values[start:end], slots)
