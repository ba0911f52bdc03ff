"""Regimes: since when a version errs more, or is off the other way, than it did. Pure."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np

from app.drift.concept import Change
from app.drift.rhythms import turns
from app.kit.arrays import Floats, Ints
from app.telemetry import Performance

LOSS = "loss"
"""Squared error of a probability: Brier's."""
CALIBRATION = "calibration"
"""Score less label."""
_HOUR = timedelta(hours=1)
_OURS = frozenset({"hour", "gone"})


@dataclass(frozen=True, slots=True)
class Regimes:
    """The changes of one subject, oldest first, over hours that begin at ``first``."""

    subject: str
    first: datetime
    changes: Sequence[Change]

    def known(self, until: datetime) -> dict[str, Any] | None:
        """Return the newest change that the hours before a moment show, if they show one.

        It ``stands`` while the version is worse than before its first change, between like hours,
        by half of what the newest had to be to be one, at least.
        """
        shown = [one for one in self.changes if self.first + (one.found + 1) * _HOUR <= until]
        if not shown:
            return None
        newest, before = shown[-1], shown[0].before
        went = newest.gone
        more = went if self.subject == LOSS else abs(before + went) - abs(before)
        worse = more > newest.epsilon / 2
        said = {name: value for name, value in asdict(newest).items() if name not in _OURS}
        return {
            **said,
            "subject": self.subject,
            "since": (self.first + newest.hour * _HOUR).isoformat(),
            "found": (self.first + newest.found * _HOUR).isoformat(),
            "stands": bool(worse),
        }


_Columns = tuple[Ints, Floats, Floats]
"""Rows, Σx, Σx²; each shaped (hours,)."""


class _Stream(NamedTuple):
    """Hours of a subject, and what they showed."""

    columns: _Columns
    changes: Sequence[Change]

    def alike(self, columns: _Columns) -> int:
        """Return how many hours are the same from the first on."""
        both = min(len(self.columns[0]), len(columns[0]))
        pairs = zip(self.columns, columns, strict=True)
        other = np.any([a[:both] != b[:both] for a, b in pairs], axis=0)
        return int(np.flatnonzero(other)[0]) if other.any() else both


class Memory:
    """What streams have shown so far: of one that went on, only what is new is looked at.

    Forgetting costs time and nothing else: what is remembered counts for the same hours alone.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._streams: dict[Hashable, _Stream] = {}

    def __iter__(self) -> Iterator[Hashable]:
        """Yield the keys of what is remembered, what was asked for last at the end."""
        return iter(list(self._streams))

    def turns(self, key: Hashable, *columns: *_Columns, **how: Any) -> list[Change]:
        """Return what ``rhythms.turns`` finds; a key's streams are asked for in the same way."""
        before = self._streams.pop(key, None)
        through = before.alike(columns) if before else 0
        known = [one for one in before.changes if one.found < through] if before else []
        found = turns(*columns, known=known, through=through, **how)
        self._streams[key] = _Stream(columns, found)
        for oldest in list(self)[: max(len(self._streams) - self._most, 0)]:
            self._streams.pop(oldest, None)
        return found


def regimes(
    first: datetime,
    hours: Mapping[int, Performance],
    count: int,
    *,
    memory: Memory | None = None,
    whose: Hashable = None,
) -> list[Regimes]:
    """Return what changed over ``count`` hours from ``first`` on, by place of the hour.

    With a ``memory``, of the series that were asked for before (``whose``) only what is new is
    looked at. Of probabilities alone: their errors lie within known bounds. An hour in which
    something else was scored, or became of it, is left out.
    """
    known = {place: one for place, one in hours.items() if one.lost == one.erred}
    if not any(one.lost for one in known.values()):
        return []
    done = [known.get(place, Performance()) for place in range(count)]
    rows = np.array([one.erred for one in done], np.int64)
    error, square, fourth = (
        np.array([getattr(one, name) for one in done], np.float64)
        for name in ("error", "squared_error", "fourth_error")
    )
    memory = memory or Memory(0)
    return [
        Regimes(
            subject,
            first,
            memory.turns((whose, subject, first), rows, *sums, span=span, begins=first.hour),
        )
        for subject, sums, span in (
            (LOSS, (square, fourth), 1.0),
            (CALIBRATION, (error, square), 2.0),
        )
    ]
