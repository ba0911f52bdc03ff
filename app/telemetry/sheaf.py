"""Many profiles at once, as they are stored: added up and written without unpacking each. Pure.

A worker folds hours by the hundred, most of which hold a handful of events. What a profile costs
by itself – its slots, and a few dozen steps over them – is paid once for all of them: only places
that hold something are looked at, whosever they are.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.kit.arrays import Floats, Ints
from app.kit.exact import GREATEST, Sums

HEAD = struct.Struct("<qIII")
"""Rows (fewer than none where a correction took more than it gave), slots known to the first
release, how many of them are used, variables."""
TAIL = struct.Struct("<III")
"""How many digits of the rest follow, all slots, how many of the later ones are used."""
FIRST_OUTCOMES = 206
"""So many slots a profile of outcomes had at first; it is one without variables."""
_AT_A_TIME = 1 << 22
"""So many bytes of profiles are added up at a time, or one profile's if they are more."""
_NONE = np.zeros(0, np.int64)
_CROWDED = 16
"""Places are listed where one in so many is used at least; sorted where fewer are."""


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
        used, where = _places(everywhere, len(self.rows) * self.width)
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
        variables = self.ranges.shape[1]
        slots = np.array(self.slots, np.int64)
        # Outcomes have got more slots since: who knows of the first ones only reads those.
        first = slots if variables else np.minimum(slots, FIRST_OUTCOMES)
        profile, place = np.divmod(used, self.width)
        filled = (place < slots[profile]) & ((count != 0) | (near != 0.0))
        early = place < first[profile]
        moments = np.zeros((len(slots), variables, 3))
        moments[:, :, :2] = self.ranges
        square = place >= slots[profile]
        moments[profile[square], place[square] - slots[profile[square]], 2] = near[square]
        columns = profile, place.astype("<u4"), count.astype("<i8"), near.astype("<f8")
        known, more = (_Cut(*(one[some] for one in columns), profiles=len(slots))
                       for some in (filled & early, filled & ~early))  # fmt: skip
        whose, where = np.divmod(rest[0], self.width)
        left = _Cut(
            whose, where.astype("<u4"), rest[1].astype("u1"), rest[2].astype("<i4"),
            profiles=len(slots),
        )  # fmt: skip
        shown = moments.astype("<f8")
        for index, (rows, wide) in enumerate(zip(self.rows, self.slots, strict=True)):
            payload = b"".join(
                (
                    HEAD.pack(rows, int(first[index]), known.size(index), variables),
                    *known.of(index),
                    shown[index].tobytes(),
                    # Behind everything else: who knows of no rest reads up to here.
                    TAIL.pack(left.size(index), wide, more.size(index)),
                    *left.of(index),
                    *more.of(index),
                )
            )
            yield rows, payload


class _Cut:
    """Columns in order of profiles, cut by them."""

    def __init__(self, profile: Ints, *columns: NDArray[np.generic], profiles: int) -> None:
        self._columns = columns
        self._at: list[int] = np.searchsorted(profile, np.arange(profiles + 1)).tolist()

    def size(self, index: int) -> int:
        return self._at[index + 1] - self._at[index]

    def of(self, index: int) -> list[bytes]:
        mine = slice(self._at[index], self._at[index + 1])
        return [column[mine].tobytes() for column in self._columns]


@dataclass(slots=True)
class Stored:
    """One profile as it is stored, its columns looked at and not copied."""

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
        rows, slots, used, variables = HEAD.unpack_from(raw)
        counted = [_columns(raw, HEAD.size, used)]
        at = HEAD.size + 20 * used
        moments = np.frombuffer(raw, "<f8", 3 * variables, at).reshape(variables, 3)
        at += 24 * variables
        if at == len(raw):  # of a release that added floats
            return cls(rows, slots, variables, counted, moments, None)
        size, slots, more = TAIL.unpack_from(raw, at)
        at += TAIL.size
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

    A group has at least one, and all have as many variables.
    """
    found: list[tuple[int, bytes]] = []
    for some in _portions(groups):
        found += _gathered([[Stored.read(raw) for raw in group] for group in some]).written()
    return found


def _portions(groups: Sequence[Sequence[bytes]]) -> Iterator[list[Sequence[bytes]]]:
    portion: list[Sequence[bytes]] = []
    size = 0
    for group in groups:
        more = sum(map(len, group))
        if portion and size + more > _AT_A_TIME:
            yield portion
            portion, size = [], 0
        portion.append(group)
        size += more
    if portion:
        yield portion


def _gathered(groups: list[list[Stored]]) -> Sheaf:
    layouts = [common({(one.slots, one.variables) for one in group}) for group in groups]
    every = [one for group in groups for one in group]
    variables = common({(0, count) for _, count in layouts})[1]
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


def _places(keys: Ints, size: int) -> tuple[Ints, Ints]:
    """Return the distinct keys in order, all below ``size``, and where in them each key is."""
    if size > _CROWDED * len(keys):
        return np.unique(keys, return_inverse=True)
    seen = np.zeros(size, np.bool_)
    seen[keys] = True
    used = np.flatnonzero(seen)
    where = np.empty(size, np.int64)
    where[used] = np.arange(len(used))
    return used, where[keys]
