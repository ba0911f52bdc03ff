"""Concept drift: when a mean changed, by ADWIN over hours instead of events. Pure.

ADWIN (Bifet and Gavaldà, 2007) keeps a window of a stream and drops its older part as soon as two
parts of it have means that differ by more than chance allows. As published it is a state that
every event changes in turn. Here the rows of an hour are their number, sum and sum of squares:
what a profile holds. So nothing is kept, anyone can recompute the change points, and in which
order events arrived within or between requests does not matter.
"""

from dataclasses import dataclass
from math import e, log, sqrt

import numpy as np

from app.kit.arrays import Floats, Ints

DELTA = 0.002


@dataclass(frozen=True, slots=True)
class Change:
    """A moment from which on a mean was another."""

    hour: int
    """Place of the first hour after the change."""
    found: int
    """Place of the hour whose rows showed it."""
    before: float
    after: float
    epsilon: float
    """The means had to differ by more than this."""
    gone: float = 0.0
    """How far the mean behind it is from that before the first change, between like hours."""

    @property
    def rose(self) -> bool:
        """Say whether the mean is greater than before: of a loss, for the worse."""
        return self.after > self.before


@dataclass(frozen=True, slots=True)
class _Test:
    span: float
    delta: float
    strict: bool

    def confidence(self, rows: float, cuts: int) -> float:
        """Return ln(2/δ′) of a window."""
        shared = cuts if self.strict else log(max(rows, e))
        return log(2 * max(shared, 1.0) / self.delta)


@dataclass(frozen=True, slots=True)
class _Sums:
    """Prefix sums over the hours, each shaped (hours + 1,)."""

    n: Floats
    sums: Floats
    squares: Floats

    @classmethod
    def over(cls, *columns: Floats) -> "_Sums":
        return cls(*(np.concatenate([[0.0], np.cumsum(column)]) for column in columns))


def changes(
    n: Ints,
    sums: Floats,
    squares: Floats,
    *,
    span: float = 1.0,
    delta: float = DELTA,
    strict: bool = False,
) -> list[Change]:
    """Return the change points of the mean, oldest first.

    ``n``, ``sums`` and ``squares`` are shaped (hours,), in order of time: rows, Σx and Σx². Values
    lie within a range of ``span``: 1 for a loss of 0 to 1, 2 for calibration residuals y − p.
    At each hour every cut between two hours is tried; while one shows a change, the clearest is
    noted and the hours before it are dropped. What is found by an hour never changes by what
    comes after it. O(hours²) at worst, in vectors: 9,000 hours take about a third of a second.

    δ′ is δ / ln W, as the paper's experiments and every library have it: of hours with a thousand
    rows and more, that finds a change about once a year where there is none. ``strict`` shares δ
    among the window's cuts, as the paper's theorem does: hardly ever then, and half as late again.
    """
    places = np.flatnonzero(n)
    sofar = _Sums.over(n[places].astype(np.float64), sums[places], squares[places])
    test = _Test(span, delta, strict)
    found: list[Change] = []
    start = 0
    for end in range(2, len(places) + 1):
        while (cut := _clearest(sofar, start, end, test)) is not None:
            found.append(_change(sofar, start, cut, end, test, places))
            start = cut
    return found


def _clearest(sofar: _Sums, start: int, end: int, test: _Test) -> int | None:
    """Return the cut of the hours [start, end) that shows a change most clearly, if one does.

    With W = n₀ + n₁ rows of variance σ², 1/m = 1/n₀ + 1/n₁, ADWIN cuts where the means differ by
    ε = √(2σ²/m · ln(2/δ′)) + 2/(3m) · ln(2/δ′). Times n₀n₁/W it reads
    |Σ₀ − n₀·mean| > √(2σ² · ln(2/δ′) · n₀n₁/W) + 2/3 · ln(2/δ′): no division for each cut.
    """
    if end - start < 2:  # noqa: PLR2004 - one hour has no cut
        return None
    rows, mean, variance = _moments(sofar, start, end)
    confidence = test.confidence(rows, end - start - 1)
    least = 2 / 3 * test.span * confidence
    left = sofar.n[start + 1 : end] - sofar.n[start]
    away = np.abs(sofar.sums[start + 1 : end] - sofar.sums[start] - left * mean)
    excess = away - least
    room = 2 * variance * confidence / rows * left * (rows - left)
    if not np.any((excess > 0) & (excess * excess > room)):
        return None
    clear = away / (np.sqrt(room) + least)
    return start + 1 + int(np.argmax(clear))


def _moments(sofar: _Sums, start: int, end: int) -> tuple[float, float, float]:
    rows = float(sofar.n[end] - sofar.n[start])
    mean = float(sofar.sums[end] - sofar.sums[start]) / rows
    square = float(sofar.squares[end] - sofar.squares[start]) / rows
    return rows, mean, max(square - mean * mean, 0.0)


def _change(sofar: _Sums, start: int, cut: int, end: int, test: _Test, places: Ints) -> Change:
    rows, _, variance = _moments(sofar, start, end)
    n_before, before, _ = _moments(sofar, start, cut)
    n_after, after, _ = _moments(sofar, cut, end)
    share = (1 / n_before + 1 / n_after) * test.confidence(rows, end - start - 1)
    epsilon = sqrt(2 * variance * share) + 2 / 3 * test.span * share
    return Change(int(places[cut]), int(places[end - 1]), before, after, epsilon)
