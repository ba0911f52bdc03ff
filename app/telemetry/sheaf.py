"""Many profiles at once, as they are stored: added up and written without unpacking each. Pure.

A worker folds hours by the hundred, most of which hold a handful of events. What a profile costs
by itself – its slots, and a few dozen steps over them – is paid once for all of them: only places
that hold something are looked at, whosever they are.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.kit.arrays import Floats, Ints, distinct
from app.kit.exact import GREATEST, Sums

_HEAD = struct.Struct("<qIII")
"""Rows (fewer than none where a correction took more than it gave), slots known to the first
release, how many of them are used, variables."""
_TAIL = struct.Struct("<III")
"""How many digits of the rest follow, all slots, how many of the later ones are used."""
FIRST_OUTCOMES = 206
"""So many slots a profile of outcomes had at first; it is one without variables."""
_SLOTS = ("<u4", "<i8", "<f8")
"""Slots, their counts and sums."""
_REST = ("<u4", "u1", "<i4")
"""Places, digits, how many."""
_AT_A_TIME = 1 << 20
"""So many bytes of profiles are added up at a time, or one profile's if they are more."""
_NONE = np.zeros(0, np.int64)

_Columns = Sequence[NDArray[Any]]


class NewDelta(NamedTuple):
    """What comes to a series' or a part's profile of one hour."""

    series_id: UUID
    hour: int
    """Since 1970."""
    rows: int
    payload: bytes


class UnlikeProfiles(ValueError):
    """Profiles of different layouts do not add up: a defect of whoever brings them together."""


@dataclass(slots=True)
class Sheaf:
    """What comes to each of many profiles, in any order, not added up yet.

    Places are ``profile × width + slot``; behind a profile's slots come its variables' squares.
    """

    rows: list[int]
    """Of each profile."""
    slots: list[int]
    ranges: Floats
    """Least and greatest value, shaped (profiles, variables, 2)."""
    _counted: list[tuple[Ints, Ints]] = field(default_factory=lambda: [(_NONE, _NONE)])
    _valued: list[tuple[Ints, Floats]] = field(default_factory=lambda: [(_NONE, np.zeros(0))])
    _rests: list[tuple[Ints, Ints, Ints]] = field(default_factory=lambda: [(_NONE, _NONE, _NONE)])

    @property
    def width(self) -> int:
        """Return how many places lie between one profile's first and the next one's."""
        variables: int = self.ranges.shape[1]
        return max(self.slots, default=0) + variables

    def count(self, places: Ints, counts: Ints) -> None:
        """Take counts in; places may repeat."""
        self._counted.append((places, counts))

    def add(self, places: Ints, values: Floats) -> None:
        """Take values in, which may not be NaN; places may repeat."""
        self._valued.append((places, np.clip(values, -GREATEST, GREATEST)))

    def add_rest(self, places: Ints, at: Ints, digits: Ints) -> None:
        """Take in what the values lack of exact sums, by digit."""
        self._rests.append((places, at, digits))

    def written(self) -> list[tuple[int, bytes]]:
        """Return each profile's rows and bytes, as ``Tally.encode`` would write them."""
        counted, counts = map(np.concatenate, zip(*self._counted, strict=True))
        valued, values = map(np.concatenate, zip(*self._valued, strict=True))
        rested, at, digits = map(np.concatenate, zip(*self._rests, strict=True))
        everywhere = np.concatenate((counted, valued, rested))
        used, where = distinct(everywhere, len(self.rows) * self.width)
        of_counts, of_values, of_rest = np.split(where, np.cumsum((len(counted), len(valued))))
        count = np.zeros(len(used), np.int64)
        np.add.at(count, of_counts, counts)
        parts = (
            Sums.of(of_values, values, len(used)),
            Sums.sparse(of_rest, at, digits, len(used)),
        )
        exact = Sums.total(parts, len(used))
        near = exact.floats()
        rest, at, digits = exact.minus(near).used()
        return list(self._each(used, count, near, (used[rest], at, digits)))

    def _each(
        self, used: Ints, count: Ints, near: Floats, rest: tuple[Ints, Ints, Ints]
    ) -> Iterator[tuple[int, bytes]]:
        profiles, variables = self.ranges.shape[:2]
        slots = np.array(self.slots, np.int64)
        first = np.array([first_slots(one, variables) for one in self.slots], np.int64)
        profile, place = np.divmod(used, self.width)
        filled = (place < slots[profile]) & ((count != 0) | (near != 0.0))
        early = place < first[profile]
        moments = np.zeros((profiles, variables, 3))
        moments[:, :, :2] = self.ranges
        square = place >= slots[profile]
        moments[profile[square], place[square] - slots[profile[square]], 2] = near[square]
        known, more = (
            _Cut(profile[some], (place[some], count[some], near[some]), _SLOTS, profiles)
            for some in (filled & early, filled & ~early)
        )
        whose, where = np.divmod(rest[0], self.width)
        left = _Cut(whose, (where, *rest[1:]), _REST, profiles)
        for index, (rows, wide) in enumerate(zip(self.rows, self.slots, strict=True)):
            columns = known.of(index), left.of(index), more.of(index)
            yield rows, _spelt(rows, wide, moments[index], *columns)


class _Cut:
    """Columns in order of profiles, cut by them."""

    def __init__(self, profile: Ints, columns: _Columns, kinds: Sequence[str], size: int) -> None:
        self._columns = _typed(columns, kinds)
        self._at: list[int] = np.searchsorted(profile, np.arange(size + 1)).tolist()

    def of(self, index: int) -> _Columns:
        mine = slice(self._at[index], self._at[index + 1])
        return [column[mine] for column in self._columns]


def _typed(columns: _Columns, kinds: Sequence[str]) -> _Columns:
    return [one.astype(kind) for one, kind in zip(columns, kinds, strict=True)]


def first_slots(slots: int, variables: int) -> int:
    """Return how many slots a release reads that knows of the first ones only.

    Outcomes have got more slots since.
    """
    return slots if variables else min(slots, FIRST_OUTCOMES)


def packed(rows: int, counts: Ints, sums: Floats, moments: Floats, rest: Sums | None) -> bytes:
    """Return one profile as bytes, empty slots left out."""
    slots, first = len(counts), first_slots(len(counts), len(moments))
    used = np.flatnonzero((counts != 0) | (sums != 0.0))
    known, more = (
        _typed((some, counts[some], sums[some]), _SLOTS)
        for some in (used[used < first], used[used >= first])
    )
    left = _typed(rest.used() if rest else (_NONE,) * 3, _REST)
    return _spelt(rows, slots, moments, known, left, more)


def _spelt(
    rows: int, slots: int, moments: Floats, known: _Columns, rest: _Columns, more: _Columns
) -> bytes:
    variables = len(moments)
    parts = [
        _HEAD.pack(rows, first_slots(slots, variables), len(known[0]), variables),
        *(one.tobytes() for one in (*known, moments.astype("<f8"))),
        # Behind everything else: who knows of no rest reads up to here.
        _TAIL.pack(len(rest[0]), slots, len(more[0])),
        *(one.tobytes() for one in (*rest, *more)),
    ]
    return b"".join(parts)


@dataclass(slots=True)
class Stored:
    """One profile as it is stored: what is counted is looked at and not copied."""

    rows: int
    slots: int
    variables: int
    counted: list[tuple[Ints, Ints, Floats]]
    """Slots, their counts and sums: of the first release's, then of later ones."""
    moments: Floats
    _rest: tuple[bytes, int, int] | None

    @classmethod
    def read(cls, raw: bytes) -> "Stored":
        """Read what this release or one before has written."""
        rows, slots, used, variables = _HEAD.unpack_from(raw)
        counted = [_columns(raw, _HEAD.size, used)]
        at = _HEAD.size + 20 * used
        moments = np.frombuffer(raw, "<f8", 3 * variables, at).reshape(variables, 3)
        at += 24 * variables
        if at == len(raw):  # of a release that added floats
            return cls(rows, slots, variables, counted, moments, None)
        size, slots, more = _TAIL.unpack_from(raw, at)
        at += _TAIL.size
        counted.append(_columns(raw, at + 9 * size, more))
        return cls(rows, slots, variables, counted, moments, (raw, at, size))

    @property
    def rest(self) -> tuple[Ints, Ints, Ints] | None:
        """Return what the sums lack of exact ones: places, digits, how many."""
        if self._rest is None:
            return None
        raw, at, size = self._rest
        return (
            np.frombuffer(raw, "<u4", size, at).astype(np.int64),
            np.frombuffer(raw, "u1", size, at + 4 * size).astype(np.int64),
            np.frombuffer(raw, "<i4", size, at + 5 * size).astype(np.int64),
        )


def _columns(raw: bytes, at: int, used: int) -> tuple[Ints, Ints, Floats]:
    return (
        np.frombuffer(raw, "<u4", used, at),
        np.frombuffer(raw, "<i8", used, at + 4 * used),
        np.frombuffer(raw, "<f8", used, at + 12 * used),
    )


def common(layouts: set[tuple[int, int]]) -> tuple[int, int]:
    """Return the slots and variables that profiles are added with; refuse other layouts.

    Of those without variables, the widest: an earlier release wrote fewer slots.
    """
    widest = max(layouts)
    if len({variables for _, variables in layouts}) > 1 or (widest[1] and len(layouts) > 1):
        raise UnlikeProfiles("These tallies have different layouts.")
    return widest


def merged(groups: Sequence[Sequence[bytes]]) -> list[tuple[int, bytes]]:
    """Return of each group of stored profiles how many rows they are, and their exact sum.

    A group has at least one, and all of a group are of one layout.
    """
    found: list[tuple[int, bytes]] = []
    for some in portions([sum(map(len, group)) for group in groups], _AT_A_TIME):
        read = [[Stored.read(raw) for raw in group] for group in groups[some]]
        for _, alike in groupby(read, lambda group: group[0].variables):
            found += _gathered(list(alike)).written()
    return found


def portions(sizes: Sequence[int], most: int) -> Iterator[slice]:
    """Cut what has these sizes into runs of at most so much, or of a single one that is more.

    What is added up side by side takes as much memory as its widest needs; so it is not much.
    """
    start = size = 0
    for index, one in enumerate(sizes):
        if index > start and size + one > most:
            yield slice(start, index)
            start, size = index, 0
        size += one
    if len(sizes):
        yield slice(start, len(sizes))


def _gathered(groups: list[list[Stored]]) -> Sheaf:
    layouts = [common({(one.slots, one.variables) for one in group}) for group in groups]
    every = [one for group in groups for one in group]
    variables = layouts[0][1]
    starts = np.cumsum([0, *(len(group) for group in groups[:-1])])
    moments = np.stack([one.moments for one in every])
    sheaf = Sheaf(
        [sum(one.rows for one in group) for group in groups],
        [slots for slots, _ in layouts],
        np.stack(
            [
                np.minimum.reduceat(moments[:, :, 0], starts),
                np.maximum.reduceat(moments[:, :, 1], starts),
            ],
            axis=2,
        ),
    )
    begins = np.repeat(np.arange(len(groups)), [len(group) for group in groups]) * sheaf.width
    slots, counts, sums = _columned(begins, every)
    sheaf.count(slots, counts)
    sheaf.add(slots, sums)
    squares = np.repeat([slots for slots, _ in layouts], [len(group) for group in groups])
    places = (begins + squares)[:, None] + np.arange(variables)
    sheaf.add(places.ravel(), moments[:, :, 2].ravel())
    for begin, one in zip(begins.tolist(), every, strict=True):
        if (rest := one.rest) is not None:
            where, at, digits = rest
            sheaf.add_rest(begin + where, at, digits)
    return sheaf


def _columned(begins: Ints, every: list[Stored]) -> tuple[Ints, Ints, Floats]:
    lengths = [sum(len(part[0]) for part in one.counted) for one in every]
    slots, counts, sums = (
        np.concatenate(one)
        for one in zip(*(part for one in every for part in one.counted), strict=True)
    )
    return np.repeat(begins, lengths) + slots, counts.astype(np.int64), sums.astype(np.float64)
