"""Seasons: what a business value is worth on other weeks' same day and hour. Pure.

A value with a weekly rhythm misses one threshold every Sunday, and on a Monday a fall by a third
meets it. So it is held against its own rhythm: the mean of the same weekdays and hours of up to
four weeks before. By how much it wanders about that by itself is pooled over all places of the
week: of four Sundays alone it is not known. Windows that overlap are counted once.

What is rare or lopsided is no normal distribution's: counts are to be certain as counts besides,
and what can only be positive has to rise beyond chance by its ratio as well.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp, log, sqrt
from typing import Any

import numpy as np
from scipy.special import bdtr, bdtrc, ndtr, stdtrit

WEEK = timedelta(days=7)
WEEKS = 4
"""So many weeks before are what a value is held against, and two at least."""
REACH = 8
"""So many weeks back it is looked at how far values wander about their rhythm."""
_LEAST, _FREE = 2, 4
"""Of fewer weeks, or with fewer degrees of freedom, nothing is said."""
_SIGMAS = 3.0
_GREATEST = 700.0


@dataclass(frozen=True, slots=True)
class Past:
    """What a KPI came to in an earlier window, and its standard error if it has one."""

    until: datetime
    value: float
    error: float | None


def apart(width: timedelta) -> timedelta:
    """Return how far windows are apart that are of one season: of long ones several weeks."""
    return WEEK * max(1, -(-width // WEEK))


def beside(
    row: Mapping[str, Any], past: Sequence[Past], at: datetime, width: timedelta
) -> dict[str, Any] | None:
    """Return what a KPI's row is beside its season; nothing where there is none.

    It is missed if it is worse than the season's mean by more than its tolerance and by more than
    chance explains: three standard errors as Student has them, of the one value and of the mean,
    each as far off as values wander by themselves, or as their own sampling says if that is more.
    How far they wander is seen up to a week ago: what befell the newest week does not hide itself.
    Values that are reported have more room where they are counts, or may rise but not fall far.
    """
    if row["value"] is None:
        return None
    step = apart(width)
    peers, places = [], defaultdict(list)
    for one in past:
        ago = at - one.until
        if not ago % step and ago <= WEEKS * step:
            peers.append(one)
        # Windows that overlap say the same twice.
        if step < ago <= REACH * step and not ago % width:
            places[ago % step].append(one.value)
    free = sum(len(values) - 1 for values in places.values())
    if len(peers) < _LEAST or free < _FREE:
        return None
    wander = sum(float(np.var(values)) * len(values) for values in places.values()) / free
    mean = sum(one.value for one in peers) / len(peers)
    sampling = sum((one.error or 0.0) ** 2 for one in peers) / len(peers)
    variance = max(wander, (error_of(row) or 0.0) ** 2) + max(wander, sampling) / len(peers)
    sigmas = float(stdtrit(free, ndtr(_SIGMAS)))
    rises = row["direction"] != "at_least"
    room = sigmas * sqrt(variance)
    known = [one.value for one in peers]
    every = [*known, *(one for values in places.values() for one in values)]
    sampled = error_of(row) is not None
    if not sampled and all(one >= 0 and one == int(one) for one in (row["value"], *every)):
        room = max(room, _of_counts(int(sum(known)), len(known), rises=rises))
    elif not sampled and rises and min(every) > 0:
        logs = [np.log(values) for values in places.values()]
        spread = sum(float(np.var(one)) * len(one) for one in logs) / free
        most = sigmas * sqrt(spread * (1 + 1 / len(known)))
        centre = sum(log(one) for one in known) / len(known)
        room = max(room, exp(min(centre + most, _GREATEST)) - mean)
    worse = (mean - row["value"]) * (1 if row["direction"] == "at_least" else -1)
    tolerance = row["tolerance"]
    return {
        "value": mean,
        "weeks": len(peers),
        "room": room,
        "missed": worse > tolerance and worse > room,
        "gravely": tolerance > 0 and worse > 2 * tolerance and worse > room,
    }


def _of_counts(total: int, windows: int, *, rises: bool) -> float:
    """Return how far from its mean a count is by chance, if ``windows`` before came to a total.

    Of equal rates the newest of them all has a share of one in ``windows`` + 1, exactly; a count
    is certain if it is as improbable as three standard errors.
    """
    unlikely, share = float(ndtr(-_SIGMAS)), 1 / (windows + 1)
    mean = total / windows

    def likely(count: int) -> bool:
        if rises:
            return float(bdtrc(count - 1, total + count, share)) >= unlikely
        return float(bdtr(count, total + count, share)) >= unlikely

    least, most = (int(mean), int(mean) + 1) if rises else (-1, int(mean))
    if rises:
        while likely(most):
            least, most = most, 2 * most + 1
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (middle, most) if likely(middle) == rises else (least, middle)
    return least - mean if rises else mean - most


def error_of(row: Mapping[str, Any]) -> float | None:
    """Return the standard error that a row's interval says, if it has one."""
    if row["low"] is None or row["high"] is None:
        return None
    return float(row["high"] - row["low"]) / (2 * _SIGMAS)


def decided(row: Mapping[str, Any], seasonal: Mapping[str, Any] | None, against: str) -> Any:
    """Return a row that is missed by what the monitor goes by: what was ``agreed``, or the season.

    By ``either`` of them it is missed if one of them says so. Without a season the season says
    nothing.
    """
    found = {**row, "seasonal": seasonal}
    if against == "season":
        found["missed"] = seasonal["missed"] if seasonal else None
        found["gravely"] = bool(seasonal and seasonal["gravely"])
    elif against == "either" and seasonal and row["missed"] is not None:
        found["missed"] = row["missed"] or seasonal["missed"]
        found["gravely"] = row["gravely"] or seasonal["gravely"]
    return found
