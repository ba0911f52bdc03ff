"""Since when the shares of a version and its holdout have stood still. Pure.

Whoever was given to the version at any time is compared with whoever was held out at any time.
While the shares move, the former are chosen by how often they come: of units that were kept from
the version on Monday and given to it on Friday, only those count that came on Friday. So it is only
compared over a time in which a unit was on the same side whenever it came.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import numpy as np
from scipy.special import chdtrc

from app.kit.arrays import Floats, Ints

MOVED = 0.0005
"""A split of a span less likely than this, of all its splits, is where shares were moved."""
_EXPECTED = 5
"""Units of either side that are expected before and after a split, as chi-squared tests ask for."""
_HOUR, _DAY, _WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
_HOURS, _DAYS = 48, 60

Seen = Iterable[tuple[int, int | None, int]]
"""Of a side: a part, the one before it in which units last came, or none, and how many of them."""


def parts(since: datetime, until: datetime) -> list[datetime]:
    """Return the beginnings of the parts of a span that are told apart.

    Hours of the newest two days, the UTC days of two months before them, weeks of what is older.
    """
    found: list[datetime] = []
    begins = (until.astimezone(UTC) - timedelta(microseconds=1)).replace(
        minute=0, second=0, microsecond=0
    )
    while begins > since:
        found.append(begins)
        if len(found) < _HOURS or begins.hour:
            begins -= _HOUR
        else:
            begins -= _DAY if len(found) < _HOURS + _DAYS else _WEEK
    return [since, *reversed(found)]


def steady(treated: Seen, held_out: Seen, count: int) -> int:
    """Return the first of ``count`` parts of the longest span up to the newest that is steady.

    The span grows backwards, a part at a time, until one of its splits is one where the units of
    the two sides before and after it are not in one ratio, by a chi-squared test, Bonferroni's
    correction of all the splits. It then begins at the split that shows it best. A unit counts
    once on either side of a split: those that come on both make the test say less, never more.
    """
    sides = np.stack([_units(one, count) for one in (treated, held_out)])
    for first in range(count - 2, -1, -1):
        splits = np.arange(first + 1, count)
        likely = _alike(sides[:, first, splits], sides[:, splits, count])
        best = int(np.argmin(likely))
        if likely[best] * len(splits) < MOVED:
            return int(splits[best])
    return 0


def _units(seen: Seen, count: int) -> Floats:
    """Return how many different units came from one bound on and before another."""
    came: Ints = np.zeros((count + 1, count), dtype=np.int64)
    for part, before, units in seen:
        came[0 if before is None else before + 1, part] += units
    # Those of [a, b) had, when they first came in it, last come before a, or never.
    fresh = np.cumsum(came, axis=0)
    found = np.zeros((count + 1, count + 1))
    found[:, 1:] = np.cumsum(fresh, axis=1)
    return np.maximum(found - np.diagonal(found)[:, None], 0.0)


def _alike(before: Floats, after: Floats) -> Floats:
    """Return how likely the sides' units before and after splits are of one ratio."""
    total = (before + after).sum(axis=0)
    sides = before + after
    times = np.stack([before.sum(axis=0), after.sum(axis=0)])
    product = sides.prod(axis=0) * times.prod(axis=0)
    fewest = sides.min(axis=0) * times.min(axis=0)
    known = fewest >= _EXPECTED * np.maximum(total, 1)
    away = before[0] * after[1] - before[1] * after[0]
    squared = np.where(known, total * away**2 / np.where(known, product, 1.0), 0.0)
    likely: Floats = chdtrc(1, squared)
    return likely
