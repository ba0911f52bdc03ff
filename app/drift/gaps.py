"""Which windows what came late belongs to: those there are, and those there were none for. Pure.

Hours are counted since 1970; a window holds the hours from its ``first`` up to its ``end``.
"""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.drift import seasons

_HOUR = timedelta(hours=1)
MARGIN = timedelta(minutes=5)
"""More than passes between an hour's being written and its being there to be read."""


@dataclass(frozen=True, slots=True)
class Known:
    """A window that was examined, and when."""

    first: int
    end: int
    examined_at: datetime

    @property
    def apart(self) -> int:
        """Return how many hours its season's weeks are apart: of long windows several weeks."""
        return seasons.apart((self.end - self.first) * _HOUR) // _HOUR


def stale(windows: Sequence[Known], folded: Mapping[int, datetime]) -> list[Known]:
    """Return the windows of whose hours, or season's, one was folded since they were examined.

    Their season are the same hours of the weeks before, which they were held against.
    """
    return [
        one
        for one in windows
        if any(
            hour in folded and folded[hour] > one.examined_at - MARGIN
            for back in range(seasons.WEEKS + 1)
            for hour in range(one.first - back * one.apart, one.end - back * one.apart)
        )
    ]


def missing(
    windows: Sequence[Known], hours: Collection[int], width: int, step: int
) -> list[tuple[int, int]]:
    """Return the windows, first hour and end, that there should be for hours that none holds.

    ``windows`` are in order of their ends. What lies behind the last of them is not late. A window
    that is missing is so many steps before the next one that there is, and overlaps others only if
    windows of the monitor do.
    """
    if not windows:
        return []
    ends = [one.end for one in windows]
    held = {hour for one in windows for hour in range(one.first, one.end)}
    found: set[int] = set()
    for hour in sorted(set(hours) - held):
        place = bisect_right(ends, hour)
        if place == len(ends):
            break
        after = ends[place]
        end = after - step * ((after - hour - 1) // step)
        while end <= hour + width and end < after:
            found.add(end)
            end += step
    return [(end - width, end) for end in sorted(found - set(ends))]


def next_end(upcoming: int, newest: int | None, busy: int | None, width: int, step: int) -> int:
    """Return the end of the next window: the first that holds an hour which no window holds yet.

    That is ``busy``, the first hour with events behind the ``newest`` window's end. It may have
    come late, before the ``upcoming`` window begins: then the window that holds it is the next, so
    many steps after the newest. Where no window was examined, the first begins with it.
    """
    if busy is None:
        return upcoming
    if newest is None:
        return busy + width
    if busy >= upcoming - width:
        return upcoming
    return newest + step * ((busy - newest) // step + 1)
