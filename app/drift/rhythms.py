"""Concept drift beneath a rhythm: ADWIN that compares like hours with like. Pure.

Errors have a rhythm: nights are harder than days, and weekends than weeks. Means of hours differ
then though nothing changes, and ADWIN says so twice a day. Here what lies before a cut and what
lies behind it are compared place by place of the rhythm, as in a stratified trial: each place is as
heavy as rows on both sides make it, and one that has come once says nothing. Of hours that are all
of one place it is ADWIN (``concept``), strictly.
"""

from dataclasses import dataclass
from math import log
from typing import NamedTuple, Self

import numpy as np

from app.drift.concept import DELTA, Change
from app.kit.arrays import Floats, Ints

_ROUNDING = 1e-9
DAY, WEEK = 24, 168
"""Hours of a week: days and weekends are rhythms of it."""


class _Cuts(NamedTuple):
    """Of every cut of a window, each shaped (hours - 1,)."""

    away: Floats
    """Σ over places of w · (mean behind less mean before), w = n₀n₁/(n₀ + n₁) of the place."""
    weight: Floats
    """Σ w: of so many rows on one side, against any number on the other, the means are."""
    spread: Floats
    """Σ w · variance within the place."""

    def room(self, span: float, confidence: float) -> Floats:
        """Return by how much sides may be apart by chance: w · ε of ADWIN."""
        return np.sqrt(2 * self.spread * confidence) + 2 / 3 * span * confidence


@dataclass(frozen=True, slots=True)
class _Hours:
    """Hours in order, and by place of the rhythm what had come in front of each."""

    place: Ints
    values: tuple[Floats, Floats, Floats]
    """Rows, Σx, Σx²; each shaped (hours,)."""
    sofar: tuple[Floats, Floats, Floats]
    """The same by place, each shaped (hours + 1, places)."""

    @classmethod
    def of(cls, place: Ints, count: int, *values: Floats) -> Self:
        n, sums, squares = values
        tables = []
        for column in values:
            table = np.zeros((len(place) + 1, count))
            table[np.arange(1, len(place) + 1), place] = column
            tables.append(np.cumsum(table, axis=0))
        return cls(place, (n, sums, squares), (tables[0], tables[1], tables[2]))

    def cuts(self, start: int, end: int) -> _Cuts:
        """Compare both sides of every cut: sums of what each hour lacks of its place's mean."""
        whole, sums, squares = (table[end] - table[start] for table in self.sofar)
        some = whole > 0
        mean, square = (
            np.divide(one, whole, out=np.zeros(len(whole)), where=some) for one in (sums, squares)
        )
        place = self.place[start:end]
        n, values = self.values[0][start:end], self.values[1][start:end]
        before = self.sofar[0][np.arange(start, end), place] - self.sofar[0][start, place]
        share = (before + (before + n)) / whole[place]
        weight = n * (1 - share)
        variance = np.maximum(square - mean**2, 0.0)
        columns = (n * mean[place] - values, weight, weight * variance[place])
        away, heavy, spread = (np.cumsum(column)[:-1] for column in columns)
        return _Cuts(away, np.maximum(heavy, 0.0), np.maximum(spread, 0.0))

    def means(self, start: int, cut: int, end: int) -> tuple[float, float]:
        """Return the means before a cut and behind it, of the places that both sides have."""
        n, sums = self.sofar[:2]
        rows, totals = ((table[cut] - table[start], table[end] - table[cut]) for table in (n, sums))
        both = (rows[0] > 0) & (rows[1] > 0)
        weight = rows[0][both] * rows[1][both] / (rows[0] + rows[1])[both]
        before, after = (
            float(weight @ (total[both] / count[both]) / weight.sum())
            for count, total in zip(rows, totals, strict=True)
        )
        return before, after


def turns(
    n: Ints,
    sums: Floats,
    squares: Floats,
    *,
    period: int = WEEK,
    span: float = 1.0,
    delta: float = DELTA,
) -> list[Change]:
    """Return the change points of the mean beneath a rhythm of ``period`` hours, oldest first.

    Arguments are those of ``concept.changes``, of which this is the ``strict`` one. Nothing is
    said before a place has come twice, nor, of what comes after a change, until one has come twice
    since: a week, if that is the period.
    """
    busy = np.flatnonzero(n)
    columns = n[busy].astype(np.float64), sums[busy], squares[busy]
    hours, days = (
        _Hours.of((busy % one).astype(np.int64), one, *columns)
        for one in (period, min(period, DAY))
    )
    found: list[Change] = []
    start = 0
    for end in range(2, len(busy) + 1):
        while (cut := _clearest(hours, days, start, end, span, delta)) is not None:
            place, epsilon = cut
            before, after = hours.means(start, place, end)
            found.append(Change(int(busy[place]), int(busy[end - 1]), before, after, epsilon))
            start = place
    return found


def _clearest(
    hours: _Hours, days: _Hours, start: int, end: int, span: float, delta: float
) -> tuple[int, float] | None:
    """Return the cut that shows a change most clearly, if one does, and its ε.

    ε is ADWIN's of the weight: √(2σ²/w · ln(2/δ′)) + 2/(3w) · ln(2/δ′), δ′ shared among the cuts.
    """
    if end - start < 2:  # noqa: PLR2004 - one hour has no cut
        return None
    cuts = hours.cuts(start, end)
    least = log(2 * (end - start - 1) / delta)
    room = cuts.room(span, least)
    away = np.abs(cuts.away)
    if not np.any(away > room):
        return None
    best = _greatest(away / room)
    # Places that came once lie between cuts of which none is clearer: then hours of the day say.
    daily = days.cuts(start, end)
    place = int(best[_greatest((np.abs(daily.away) / daily.room(span, least))[best])[0]])
    return start + 1 + place, float(room[place] / cuts.weight[place])


def _greatest(values: Floats) -> Ints:
    """Return the places of the greatest values, which rounding may have put apart."""
    return np.flatnonzero(values >= values.max() * (1 - _ROUNDING))
