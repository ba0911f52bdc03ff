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

from collections.abc import Sequence
from math import log

import numpy as np

from app.drift.concept import DELTA, Change
from app.drift.cuts import DAY, DOUBT, Cuts, Hours, Sketch, room_of
from app.drift.wandering import Wander, persistence
from app.kit.arrays import Floats, Ints

_ROUNDING = 1e-9
WEEK = 168
"""Hours of a week: days and weekends are rhythms of it."""


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
    known: Sequence[Change] = (),
    through: int = 0,
) -> list[Change]:
    """Return the change points of the mean beneath a rhythm of ``period`` hours, oldest first.

    Arguments are those of ``concept.changes``, of which this is the ``strict`` one. Nothing is
    said before a place has come twice, nor, of what comes after a change, until one has come twice
    since: a week, if that is the period. ``begins`` is the hour of the day of the first hour.
    Without ``wanders`` rows are taken as drawn apart.

    What hours show depends on none that come after them: ``known`` may be what was found in just
    these hours up to ``through``, and is not looked for again.
    """
    busy = np.flatnonzero(n)
    columns = n[busy].astype(np.float64), sums[busy], squares[busy]
    long = min(period, DAY)
    day = (busy + begins) // long
    hours, days = (
        Hours.of((busy % one).astype(np.int64), one, day, *columns) for one in (period, long)
    )
    wander = _Known(hours, days) if wanders else None
    search = _Search(hours, days, wander, span, delta)
    found = list(known)
    start, first = 0, 0
    for place in np.searchsorted(busy, [one.hour for one in known]).tolist():
        start, first = place, first or place
        if wander is not None:
            wander.turned(place)
    end = search.ends(start, int(np.searchsorted(busy, through)) + 1)
    while end is not None:
        while (cut := search.clearest(start, end)) is not None:
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
            if wander is not None:
                wander.turned(place)
        end = search.ends(start, end + 1)
    return found


class _Known:
    """How far hours and days wander, as the days that are over say; about every change so far."""

    def __init__(self, hours: Hours, days: Hours) -> None:
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


class _Search:
    """The search for the cut that shows a change most clearly.

    ε is ADWIN's of the weight: √(2σ²/w · ln(2/δ′)) + 2/(3w) · ln(2/δ′), δ′ shared among the cuts,
    σ²/w with what is of wandering.
    """

    def __init__(
        self, hours: Hours, days: Hours, known: _Known | None, span: float, delta: float
    ) -> None:
        self._hours, self._days, self._known = hours, days, known
        self._span, self._delta = span, delta
        self._sketch = Sketch(hours, span, delta)

    def ends(self, start: int, end: int) -> int | None:
        """Return the first end from one on at which a change is worth looking for."""
        while (found := self._sketch.next(start, end)) is not None:
            if self._shown(self._sketch.cuts(found), start, found, 1 - DOUBT) is not None:
                break
            end = found + 1
        return found

    def clearest(self, start: int, end: int) -> tuple[int, float] | None:
        """Return the cut that shows a change most clearly, if one does, and its ε."""
        if end - start < 2:  # noqa: PLR2004 - one hour has no cut
            return None
        cuts, weight = self._hours.cuts(start, end)
        found = self._shown(cuts, start, end, 1.0)
        return found and (found[0], found[1] / float(weight[found[0] - start - 1]))

    def _shown(self, cuts: Cuts, start: int, end: int, part: float) -> tuple[int, float] | None:
        """Return the clearest cut, if sides are apart by more than such a part of their room."""
        least = log(2 * (end - start - 1) / self._delta)
        room = cuts.room(self._span, least)
        away = np.abs(cuts.away)
        if not np.any(away > room * part):
            return None
        # Places that came once lie between cuts of which none is clearer: hours of the day say.
        best = _greatest(away / room)
        if len(best) > 1:
            daily = self._days.some(start, end, start + 1 + best)
            best = best[_greatest(np.abs(daily.away) / daily.room(self._span, least))]
        place = int(best[0])
        cut = start + 1 + place
        if self._known is None:
            return cut, float(room[place])
        # Of the clearest alone it is asked: another that passes before it does is the wrong place.
        spread = cuts.spread[place] + self._known.more(start, end, cut)
        wide = float(room_of(spread, self._span, least))
        return (cut, wide) if away[place] > wide * part else None


def _greatest(values: Floats) -> Ints:
    """Return the places of the greatest values, which rounding may have put apart."""
    return np.flatnonzero(values >= values.max() * (1 - _ROUNDING))
