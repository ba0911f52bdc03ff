"""Cuts: what lies before a moment and what lies behind it, compared between like hours. Pure."""

from dataclasses import dataclass
from operator import add
from typing import NamedTuple, Self

import numpy as np

from app.kit.arrays import Floats, Ints

DAY = 24
"""Hours."""
DOUBT = 1e-6
"""What is nearer than this to a bound is reckoned anew: by far more than rounding makes of it."""


class Cuts(NamedTuple):
    """Of cuts of a window, each shaped (cuts,): every one, hours less one of them, or some."""

    away: Floats
    """Σ over places of w · (mean behind less mean before), w = n₀n₁/(n₀ + n₁) of the place."""
    spread: Floats
    """Σ w · variance within the place."""

    def room(self, span: float, confidence: float) -> Floats:
        """Return by how much sides may be apart by chance: w · ε of ADWIN."""
        return room_of(self.spread, span, confidence)


def room_of(spread: Floats, span: float, confidence: Floats | float) -> Floats:
    """Return by how much sides of such a spread may be apart by chance."""
    return np.sqrt(2 * spread * confidence) + 2 / 3 * span * confidence


@dataclass(frozen=True, slots=True)
class Hours:
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

    def _places(self, start: int, end: int) -> tuple[Floats, Floats, Floats]:
        """Return rows, mean and variance of each place."""
        whole, sums, squares = (table[end] - table[start] for table in self.sofar)
        some = whole > 0
        mean, square = (
            np.divide(one, whole, out=np.zeros(len(whole)), where=some) for one in (sums, squares)
        )
        return whole, mean, np.maximum(square - mean**2, 0.0)

    def cuts(self, start: int, end: int) -> tuple[Cuts, Floats]:
        """Compare both sides of every cut: sums of what each hour lacks of its place's mean.

        And return Σ w: of so many rows on one side, against any number on the other, means are.
        """
        whole, mean, variance = self._places(start, end)
        place = self.place[start:end]
        n, values = self.values[0][start:end], self.values[1][start:end]
        before = self.sofar[0][np.arange(start, end), place] - self.sofar[0][start, place]
        share = (before + (before + n)) / whole[place]
        weight = n * (1 - share)
        columns = (n * mean[place] - values, weight, weight * variance[place])
        away, heavy, spread = (np.cumsum(column)[:-1] for column in columns)
        return Cuts(away, np.maximum(spread, 0.0)), np.maximum(heavy, 0.0)

    def some(self, start: int, end: int, at: Ints) -> Cuts:
        """Compare both sides of some cuts."""
        whole, mean, variance = self._places(start, end)
        rows, sums = (table[at] - table[start] for table in self.sofar[:2])
        weight = rows - np.divide(rows**2, whole, out=np.zeros_like(rows), where=whole > 0)
        return Cuts(rows @ mean - sums.sum(axis=1), np.maximum(weight @ variance, 0.0))

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


class Sketch:
    """What ``Hours.cuts`` says at one end after the other, reckoned from the end before.

    An hour that comes moves what cuts say of its own place alone, so that a day of ends is a few
    sums of tables (ends × cuts). They round otherwise than sums from the start do: they say where
    there is nothing, and what may be something is reckoned anew.
    """

    def __init__(self, hours: Hours, span: float, delta: float) -> None:
        self._hours, self._span, self._delta = hours, span, delta
        self._values = np.stack(hours.values, axis=1).tolist()
        # By place, so that what one hour moves lies side by side.
        self._rows = np.ascontiguousarray(hours.sofar[0].T)
        self._restart(0)

    def _restart(self, start: int) -> None:
        self._start = self._before = self._last = start
        self._whole: dict[int, tuple[float, float, float]] = {}
        self._away = self._spread = np.zeros((1, 0))
        self._doubtful = np.zeros(0, np.bool_)

    def next(self, start: int, end: int) -> int | None:
        """Return the first of the ends from one on at which there may be a change, if any may."""
        if start != self._start:
            self._restart(start)
        while end > self._last or not self._doubtful[end - self._before - 1 :].any():
            if self._last == len(self._values):
                return None
            end = max(end, self._last + 1)
            self._grow()
        return end + int(np.argmax(self._doubtful[end - self._before - 1 :]))

    def cuts(self, end: int) -> Cuts:
        """Return what is said of every cut at one of the last ends."""
        row, cuts = end - self._before - 1, end - self._start - 1
        return Cuts(self._away[row, :cuts], self._spread[row, :cuts])

    def _grow(self) -> None:
        """Take the next hours in, as many as a day has."""
        start, before = self._start, self._last
        last = min(before + DAY, len(self._values))
        places = self._hours.place[before:last]
        moved = np.array([self._moved(at, place) for at, place in enumerate(places, before)])
        rows = self._rows[places, start + 1 : last] - self._rows[places, start, None]
        for row in range(last - before):
            rows[row, before - start + row :] = 0.0  # cuts behind that end
        level, heavier, lighter = (column[:, None] for column in moved.T)
        away, spread = level * rows, rows * (heavier + lighter * rows)
        for table, old in ((away, self._away), (spread, self._spread)):
            table[0, : old.shape[1]] += old[-1]
            np.cumsum(table, axis=0, out=table)
        count = np.maximum(np.arange(before, last) - start, 1)[:, None]
        confidence = np.log(2 * count / self._delta)
        np.maximum(spread, 0.0, out=spread)
        room = room_of(spread, self._span, confidence)
        self._doubtful = (np.abs(away) > room * (1 - DOUBT)).any(axis=1)
        self._before, self._last, self._away, self._spread = before, last, away, spread

    def _moved(self, at: int, place: int) -> tuple[float, float, float]:
        """Take one hour in; return by how much its place's rows B move a cut: ΔE, then of B and B².

        ``away`` is Σ B · mean less what came before the cut, ``spread`` Σ (B - B²/N) · variance.
        """
        old = self._whole.get(place, (0.0, 0.0, 0.0))
        new = tuple(map(add, old, self._values[at]))
        self._whole[place] = new
        (n, mean, variance), (more, level, wider) = _moments(old), _moments(new)
        heavy, lighter = variance / n if n else 0.0, wider / more if more else 0.0
        return level - mean, wider - variance, heavy - lighter


def _moments(values: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return rows, mean and variance of rows, Σx and Σx²."""
    n, sums, squares = values
    if not n:
        return 0.0, 0.0, 0.0
    mean = sums / n
    return n, mean, max(squares / n - mean * mean, 0.0)
