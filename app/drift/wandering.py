"""Wandering: how far the means of hours and of days lie apart where nothing changes. Pure.

No two days are alike to the last row: who comes differs, and so does how hard he is. Of rows by the
thousand any such day is certainly another one, and no change of anything. So by how much days, and
hours within them, wander beyond their rows' own sampling is estimated from the time that is known,
about what each side of a cut was, and is taken into what two sides may be apart.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import chdtri

from app.kit.arrays import Floats, Ints

LIKELY = 0.98
"""Of few days it is not well known: of so much, one sample in fifty would have shown as little."""
_MOST_ALIKE = 0.9


@dataclass(frozen=True, slots=True)
class Wander:
    """Variances of hours' and of days' own levels, about either side of a cut in each day.

    Each is shaped (days + 1,): the last is of a cut after all of them. Infinite is unknown.
    """

    hours: Floats
    days: Floats
    alike: Floats
    """How much a day is like the one before: their correlation, 0 at least."""

    @classmethod
    def of(
        cls, n: Ints | Floats, sums: Floats, squares: Floats, *, day: Ints, place: Ints, kind: Ints
    ) -> Self:
        """Estimate them from hours: rows, Σx, Σx², each shaped (hours,), with at least a row each.

        ``day`` numbers their days from 0 on without gaps, in order; ``place`` says which hours are
        alike, and ``kind``, shaped (days,), which days. A one-way analysis of variance by days,
        and one of hours within them; the day of the cut, of which a part is on either side, is in
        neither.
        """
        level, within = _levels(n, sums, place), _sampling(n, sums, squares)
        rows = np.bincount(day, n).astype(np.float64)
        mean = np.bincount(day, n * level) / rows
        hours = _of_hours(n, level - mean[day], day, place, kind, within[0])
        days, alike = _of_days(rows, mean, kind, within[1] + hours * float(n @ n) / n.sum())
        return cls(hours, days, alike)


def persistence(alike: float, days: float) -> float:
    """Return by how much more the mean of consecutive days varies than of so many unlike ones.

    Of a first-order autoregression, with correlation ``alike``: 1 of a day,
    (1 + φ)/(1 − φ) of very many.
    """
    rest, far = 1 - alike, float(alike**days)
    return (1 + alike) / rest - 2 * alike * (1 - far) / (days * rest**2)


def _levels(n: Ints | Floats, sums: Floats, place: Ints) -> Floats:
    """Return by how much each hour's mean is above that of the hours that are alike."""
    whole = np.bincount(place, n)
    means = np.divide(np.bincount(place, sums), whole, out=np.zeros(len(whole)), where=whole > 0)
    found: Floats = sums / n - means[place]
    return found


def _sampling(n: Ints | Floats, sums: Floats, squares: Floats) -> tuple[float, float]:
    """Return the variance of rows within their hour: of the hours' average, and of all rows."""
    free = np.maximum(n - 1.0, 0.0)
    inside = np.maximum(squares - sums**2 / n, 0.0)
    some = free > 0
    if not some.any():
        return 0.0, 0.0
    return float((inside[some] / free[some]).mean()), float(inside.sum() / free.sum())


def _upper(squares: Floats, free: Floats) -> Floats:
    """Return the variance that a sum of squares may be of."""
    known = free > 0
    least = np.ones(len(free))
    least[known] = chdtri(free[known], LIKELY)
    return np.where(known, squares / least, np.inf)


def _of_hours(
    n: Ints | Floats, away: Floats, day: Ints, place: Ints, kind: Ints, sampling: float
) -> Floats:
    """Return the variance of hours within their days, each day left out once, and none."""
    count = np.append(np.bincount(day), 0)
    squares = np.append(np.bincount(day, n * away**2), 0.0)
    places, kinds = len(np.unique(place)), len(np.unique(kind))
    free = max(len(n) - places - (len(kind) - kinds), 0) * (1 - count / len(n))
    beyond = _upper(squares.sum() - squares, free) - sampling
    return np.maximum(beyond, 0.0) / float(np.mean(n))


def _of_days(rows: Floats, mean: Floats, kind: Ints, below: Floats) -> tuple[Floats, Floats]:
    """Return the variance of days beyond what is ``below``, and how alike neighbours are."""
    count = len(rows)
    cut, at = np.arange(count + 1)[:, None], np.arange(count)
    kinds = np.eye(int(kind.max()) + 1)[kind]
    squares, free, size, like = (np.zeros(count + 1) for _ in range(4))
    for side in (at < cut, at > cut):
        weight = side * rows
        heavy = weight @ kinds
        some = heavy > 0
        centre, twice = (
            np.divide(one @ kinds, heavy, out=np.zeros_like(heavy), where=some)
            for one in (weight * mean, weight * rows)
        )
        away = np.sqrt(weight) * (mean - centre[:, kind])
        squares += (away**2).sum(axis=1)
        like += (away[:, 1:] * away[:, :-1]).sum(axis=1)
        free += side.sum(axis=1) - some.sum(axis=1)
        size += weight.sum(axis=1) - twice.sum(axis=1)
    known = (free > 0) & np.isfinite(below)
    beyond = np.where(known, _upper(squares, free) - np.where(known, below, 0.0), np.inf)
    each = np.divide(size, free, out=np.ones(count + 1), where=known & (size > 0))
    alike = np.divide(like, squares, out=np.zeros(count + 1), where=squares > 0)
    return np.maximum(beyond, 0.0) / each, np.clip(alike, 0.0, _MOST_ALIKE)
