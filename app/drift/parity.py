"""Which segments are treated otherwise than the rest, beyond what a monitor allows? Pure."""

from collections.abc import Mapping
from functools import reduce
from operator import add
from typing import Any

from app.drift.fairness import CONFIDENCE, MIN_ROWS, Group, Rate, difference, wilson
from app.telemetry import REST

_JUDGED = (Rate.SELECTION, Rate.TRUE_POSITIVE)


def unequal(
    variable: str, groups: Mapping[str, Group], tolerance: float, min_rows: int
) -> list[dict[str, Any]]:
    """Return for each rate how far the segment that is farthest from the rest is from it.

    ``beyond`` is a gap whose whole interval is: 95 % over all segments and rates of the variable
    together (Bonferroni). Nothing is said of segments, or rests, of fewer than ``MIN_ROWS`` rows,
    nor of a window of fewer than ``min_rows``. What has no name of its own is only in the rest.
    """
    whole = sum(group.n for group in groups.values())
    named = sorted(name for name in groups if name != REST)
    if whole < min_rows or not named or len(groups) < 2:  # noqa: PLR2004 - one and a rest
        return []
    confidence = 1 - (1 - CONFIDENCE) / (len(named) * len(_JUDGED))
    found = []
    for rate in _JUDGED:
        rows = [
            row
            for name in named
            if (row := _beside(name, groups, rate, tolerance, confidence)) is not None
        ]
        if rows:
            far = max(rows, key=lambda row: (row["certain"], abs(row["gap"])))
            found.append({"name": variable, "rate": rate.value, **far})
    return found


def _beside(
    name: str, groups: Mapping[str, Group], rate: Rate, tolerance: float, confidence: float
) -> dict[str, Any] | None:
    rest = reduce(add, (group for other, group in groups.items() if other != name))
    own, others = (wilson(*one.counts(rate), confidence) for one in (groups[name], rest))
    if own is None or others is None or min(own.rows, others.rows) < MIN_ROWS:
        return None
    gap, low, high = difference(own, others)
    # How far from nothing the interval keeps, on whichever side.
    certain = max(low, -high)
    return {
        "group": name,
        "rows": own.rows,
        "value": own.value,
        "rest": others.value,
        "gap": gap,
        "low": low,
        "high": high,
        "certain": certain,
        "beyond": certain > tolerance,
    }
