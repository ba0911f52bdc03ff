"""Mergeable profiles: counts and sums per slot, pure.

Merged in any order and any batches, tallies of the same rows are the same to the last byte: beside
each sum as a float stands what rounding left of it. Stored sparsely: an hour with two events costs
a few hundred bytes, one with a million not many more.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from app.kit.arrays import Floats, Ints
from app.kit.exact import GREATEST, Sums
from app.telemetry import sheaf
from app.telemetry.sheaf import Sheaf, Stored, common, portions

_CELLS = 1 << 15
"""Hours that have few rows are folded together up to so many values."""


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
        return sheaf.packed(self.n, self.counts, self.sums, self.moments, self.rest)

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Return the tally that ``encode`` wrote, of this release or of the one before."""
        stored = Stored.read(raw)
        slots = stored.slots
        counts, sums = np.zeros(slots, np.int64), np.zeros(slots)
        for places, some, added in stored.counted:
            counts[places], sums[places] = some, added
        rest = (known := stored.rest) and Sums.sparse(*known, slots + stored.variables)
        return cls(stored.rows, counts, sums, stored.moments.copy(), rest)


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
    if not payloads:
        return None
    every = [Stored.read(raw) for raw in payloads]
    slots, variables = common({(one.slots, one.variables) for one in every})
    found = Tally.empty(slots, variables)
    found.n = sum(one.rows for one in every)
    parts = [part for one in every for part in one.counted]
    if len(every) == 1:
        for where, counts, sums in parts:
            found.counts[where], found.sums[where] = counts, sums
    else:
        where, counts, sums = map(np.concatenate, zip(*parts, strict=True))
        np.add.at(found.counts, where, counts)
        np.add.at(found.sums, where, sums)
    each = np.stack([one.moments for one in every])
    found.moments[:, 0], found.moments[:, 1] = each[:, :, 0].min(axis=0), each[:, :, 1].max(axis=0)
    for one in each:  # in order, as floats are added
        found.moments[:, 2] += one[:, 2]
    return found


def merged(tallies: Sequence[Tally]) -> Tally:
    """Return the exact sum of at least one tally."""
    ((_, payload),) = sheaf.merged([[one.encode() for one in tallies]])
    return Tally.decode(payload)


def _alike(tallies: Sequence[Tally]) -> Sequence[Tally]:
    """Widen what earlier releases wrote with fewer slots; refuse other layouts."""
    layouts = {(len(one.counts), len(one.moments)) for one in tallies}
    if len(layouts) > 1:
        slots, _ = common(layouts)
        tallies = [one.wider(slots) for one in tallies]
    return tallies


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


def by_hour(
    hours: Ints, codes: Ints, values: Floats, slots: int, also: Ints | None = None
) -> list[tuple[int, int, bytes]]:
    """Return each distinct hour, its rows and its profile, hours being counted since 1970.

    ``also`` is a further slot that each row counts in, -1 if it does in none.
    """
    if also is None:
        also = np.full(len(hours), -1)
    each, sizes = np.unique(hours, return_counts=True)
    if len(each) > 1:
        order = np.argsort(hours, kind="stable")
        codes, values, also = codes[order], values[order], also[order]
    ends = np.cumsum(sizes)
    found: list[tuple[int, int, bytes]] = []
    for some in portions((sizes * max(codes.shape[1], 1)).tolist(), _CELLS):
        rows = slice(int(ends[some.start] - sizes[some.start]), int(ends[some.stop - 1]))
        mine = codes[rows], values[rows], slots, also[rows]
        told = _together(sizes[some], *mine) if some.stop - some.start > 1 else [_alone(*mine)]
        found += [(hour, *one) for hour, one in zip(each[some].tolist(), told, strict=True)]
    return found


def _alone(codes: Ints, values: Floats, slots: int, also: Ints) -> tuple[int, bytes]:
    found = tally(codes, values, slots)
    np.add.at(found.counts, also[also >= 0], 1)
    return found.n, found.encode()


def _together(
    sizes: Ints, codes: Ints, values: Floats, slots: int, also: Ints
) -> list[tuple[int, bytes]]:
    """Return rows and profile of each of several hours, of which so many rows lie together."""
    variables, starts = codes.shape[1], np.cumsum(sizes) - sizes
    numbers = values + 0.0  # of two zeros, one
    gaps = np.isnan(numbers)
    ranges = np.stack(
        [
            np.minimum.reduceat(np.where(gaps, np.inf, numbers), starts),
            np.maximum.reduceat(np.where(gaps, -np.inf, numbers), starts),
        ],
        axis=2,
    )
    found = Sheaf(sizes.tolist(), [slots] * len(sizes), ranges)
    begins = np.repeat(np.arange(len(sizes)) * found.width, sizes)
    places = begins[:, None] + codes
    for some in (places.ravel(), (begins + also)[also >= 0]):
        found.count(some, np.ones(len(some), np.int64))
    found.add(places[~gaps], numbers[~gaps])
    with np.errstate(over="ignore"):
        squares = numbers * numbers  # beyond the greatest float: that one
    found.add((begins[:, None] + slots + np.arange(variables))[~gaps], squares[~gaps])
    return found.written()
