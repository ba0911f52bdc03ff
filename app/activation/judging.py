"""Since when a guardrail judges a champion. Pure."""

from datetime import datetime, timedelta

JUDGED_HOURS = 24
"""So many of the newest hours count, the present one among them."""


def judged_since(swap: datetime, now: datetime) -> datetime:
    """Return the swap, or the beginning of the newest hours where that is later.

    Profiles are by the hour of the event, so both begin with a whole hour: the hour of the swap
    counts with what the version did in it before as challenger.
    """
    present = now.replace(minute=0, second=0, microsecond=0)
    return max(swap, present - timedelta(hours=JUDGED_HOURS - 1))
