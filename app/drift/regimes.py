"""Regimes: since when a version errs more, or is off the other way, than it did. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from app.drift.concept import Change
from app.drift.rhythms import turns
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


def regimes(first: datetime, hours: Mapping[int, Performance], count: int) -> list[Regimes]:
    """Return what changed over ``count`` hours from ``first`` on, by place of the hour.

    Of probabilities alone: their errors lie within known bounds. An hour in which something else
    was scored, or became of it, is left out.
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
    return [
        Regimes(LOSS, first, turns(rows, square, fourth, begins=first.hour)),
        Regimes(CALIBRATION, first, turns(rows, error, square, span=2.0, begins=first.hour)),
    ]
