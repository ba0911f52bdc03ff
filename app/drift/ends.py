"""Where a window ends: after a time, or once so many events have come. Pure."""

from collections.abc import Mapping


def counted_end(events: Mapping[int, int], since: int, last: int, wanted: int) -> int | None:
    """Return the hour in front of which ``wanted`` events have come from hour ``since`` on.

    ``events`` are by hour since 1970; those from ``last`` on may still grow. Nothing, while there
    are too few.
    """
    seen = 0
    for hour in sorted(one for one in events if since <= one < last):
        seen += events[hour]
        if seen >= wanted:
            return hour + 1
    return None
