"""Concept drift beneath a rhythm: ADWIN that compares like hours with like. Pure.

Errors have a rhythm: nights are harder than days, and weekends than weeks. Means of hours differ
then though nothing changes, and ADWIN says so twice a day. Here what lies before a cut and what
lies behind it are compared place by place of the rhythm, as in a stratified trial: each place is as
heavy as rows on both sides make it, and one that has come once says nothing. Of hours that are all
of one place it is ADWIN (``concept``), strictly.

Nor are rows of a day, or of an hour, as good as drawn apart: days are harder or easier by
themselves. How far they wander about either side of a cut (``wandering``) is part of the room that
the sides have.
"""

from dataclasses import dataclass
from math import log
from typing import NamedTuple, Self

import numpy as np

from app.drift.concept import DELTA, Change
from app.drift.wandering import Wander, persistence
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

    def room(self, span: float, confidence: float, more: float = 0.0) -> Floats:
        """Return by how much sides may be apart by chance: w · ε of ADWIN, of more variance."""
        return np.sqrt(2 * (self.spread + more) * confidence) + 2 / 3 * span * confidence


@dataclass(frozen=True, slots=True)
class _Hours:
    """Hours in order, and by place of the rhythm what had come in front of each."""

    place: Ints
    day: Ints
    values: tuple[Floats, Floats, Floats]
    """Rows, Σx, Σx²; each shaped (hours,)."""
    sofar: tuple[Floats, Floats, Floats]
    """The same by place, each shaped (hours + 1, places)."""

    @classmethod
    def of(cls, place: Ints, count: int, day: Ints, *values: Floats) -> Self:
        n, sums, squares = values
        tables = []
        for column in values:
            table = np.zeros((len(place) + 1, count))
            table[np.arange(1, len(place) + 1), place] = column
            tables.append(np.cumsum(table, axis=0))
        return cls(place, day, (n, sums, squares), (tables[0], tables[1], tables[2]))

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

    def swayed(self, start: int, end: int, cut: int) -> tuple[float, float]:
        """Return by how many times the variances of hours and of days sway both sides of a cut.

        What hour h counts for is c = n · n₁/(n₀ + n₁) of its place if it lies before the cut, else
        n · n₀/(n₀ + n₁): of hours Σ c². Of days it would be Σ (Σ c)² over the hours of a day on one
        side, and is Σ n · Σ c²/n of them, which is as much where a day's hours count alike, else
        more.
        """
        n, table = self.values[0][start:end], self.sofar[0]
        early, whole = (table[one] - table[start] for one in (cut, end))
        share = np.divide(early, whole, out=np.zeros(len(whole)), where=whole > 0)
        share = share[self.place[start:end]]
        late = np.arange(start, end) >= cut
        each = n * np.where(late, share, 1 - share) ** 2
        # The day that is cut is two parts, neither of which has the other's rows.
        part = 2 * (self.day[start:end] - self.day[start]) + late
        return float(n @ each), float(np.bincount(part, n) @ np.bincount(part, each))

    def means(self, early: slice, late: slice) -> tuple[float, float] | None:
        """Return the means of two times, of the places that both have; nothing, if they have none.

        Weighed as ``cuts`` weighs them.
        """
        rows, totals = (
            [table[one.stop] - table[one.start] for one in (early, late)]
            for table in self.sofar[:2]
        )
        both = (rows[0] > 0) & (rows[1] > 0)
        if not both.any():
            return None
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
    begins: int = 0,
    wanders: bool = True,
) -> list[Change]:
    """Return the change points of the mean beneath a rhythm of ``period`` hours, oldest first.

    Arguments are those of ``concept.changes``, of which this is the ``strict`` one. Nothing is
    said before a place has come twice, nor, of what comes after a change, until one has come twice
    since: a week, if that is the period. ``begins`` is the hour of the day of the first hour.
    Without ``wanders`` rows are taken as drawn apart.
    """
    busy = np.flatnonzero(n)
    columns = n[busy].astype(np.float64), sums[busy], squares[busy]
    long = min(period, DAY)
    day = (busy + begins) // long
    hours, days = (
        _Hours.of((busy % one).astype(np.int64), one, day, *columns) for one in (period, long)
    )
    known = _Known(hours, days) if wanders else None
    found: list[Change] = []
    start, first = 0, 0
    for end in range(2, len(busy) + 1):
        while (cut := _clearest(hours, days, start, end, known, span, delta)) is not None:
            place, epsilon = cut
            sides = hours.means(slice(start, place), slice(place, end))
            assert sides is not None  # noqa: S101 - they were compared
            before, after = sides
            first = first or place
            # Not by adding changes up: one that was put at the wrong hour is found once more.
            since = hours.means(slice(0, first), slice(place, end))
            gone = since[1] - since[0] if since else found[-1].gone + after - before
            what = int(busy[place]), int(busy[end - 1])
            found.append(Change(*what, before, after, epsilon, gone))
            start = place
            if known is not None:
                known.turned(place)
    return found


class _Known:
    """How far hours and days wander, as the days that are over say; about every change so far."""

    def __init__(self, hours: _Hours, days: _Hours) -> None:
        self._strata = hours, days
        self._part = np.zeros(len(hours.place), np.int64)
        self._reckoned: tuple[int, list[Wander]] = -1, []
        self._index = self._part

    def turned(self, place: int) -> None:
        """Take what follows as another time, about whose own level it wanders."""
        self._part[place:] += 1
        self._reckoned = -1, []

    def more(self, start: int, end: int, cut: int) -> float:
        """Return the variance of a cut's ``away`` that is of wandering.

        Days are seen beside those of the same weekday, and all beside one another: the lesser, as
        a rhythm of a week would else be wandering, and of a few weeks weekdays say little.
        """
        hours = self._strata[0]
        day = hours.day
        over = int(np.searchsorted(day, day[end - 1]))
        if self._reckoned[0] != over:
            self._reckoned = over, self._reckon(over)
        of_hours, of_days = hours.swayed(start, end, cut)
        at = self._index[cut]
        shorter = float(min(day[cut - 1] - day[start], day[end - 1] - day[cut])) + 1.0
        return min(
            (
                float(one.hours[at]) * of_hours
                + float(one.days[at]) * persistence(float(one.alike[at]), shorter) * of_days
                for one in self._reckoned[1]
                if np.isfinite(one.days[at])
            ),
            default=np.inf,
        )

    def _reckon(self, over: int) -> list[Wander]:
        n, sums, squares = (column[:over] for column in self._strata[0].values)
        part, day = self._part[:over], self._strata[0].day[:over]
        fresh = np.diff(part, prepend=-1) + np.diff(day, prepend=-1) > 0
        index = np.cumsum(fresh) - 1
        last = int(index[-1]) + 1 if over else 0
        self._index = np.append(index, np.full(len(self._part) - over, last))
        if not over:
            return []
        weekdays = [day[fresh] % 7, np.zeros(last, np.int64)]
        return [
            Wander.of(
                n,
                sums,
                squares,
                day=index,
                place=part * len(one.sofar[0][0]) + one.place[:over],
                kind=part[fresh] * 7 + weekday,
            )
            for one, weekday in zip(self._strata, weekdays, strict=True)
        ]


def _clearest(
    hours: _Hours, days: _Hours, start: int, end: int, known: _Known | None, span: float,
    delta: float,
) -> tuple[int, float] | None:  # fmt: skip
    """Return the cut that shows a change most clearly, if one does, and its ε.

    ε is ADWIN's of the weight: √(2σ²/w · ln(2/δ′)) + 2/(3w) · ln(2/δ′), δ′ shared among the cuts,
    σ²/w with what is of wandering.
    """
    if end - start < 2:  # noqa: PLR2004 - one hour has no cut
        return None
    cuts = hours.cuts(start, end)
    least = log(2 * (end - start - 1) / delta)
    room = cuts.room(span, least)
    away = np.abs(cuts.away)
    if not np.any(away > room):
        return None
    clear = away / room
    # Places that came once lie between cuts of which none is clearer: then hours of the day say.
    best = _greatest(clear)
    daily = days.cuts(start, end)
    place = int(best[_greatest((np.abs(daily.away) / daily.room(span, least))[best])[0]])
    cut = start + 1 + place
    if known is not None:
        # Of the clearest alone it is asked: another that passes before it does is the wrong place.
        room = cuts.room(span, least, known.more(start, end, cut))
        if not away[place] > room[place]:
            return None
    return cut, float(room[place] / cuts.weight[place])


def _greatest(values: Floats) -> Ints:
    """Return the places of the greatest values, which rounding may have put apart."""
    return np.flatnonzero(values >= values.max() * (1 - _ROUNDING))
