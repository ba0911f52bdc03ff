"""Since when a guardrail judges a champion, and when it has said so before. Pure."""

import re
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


def next_hour(moment: datetime) -> datetime:
    """Return when the next whole hour begins: what was looked at before it counts no more."""
    return moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


_ALERTS = re.compile(r"\balerts\b")


def asks_for_alerts(when: str) -> bool:
    """Say whether a condition is about alerts."""
    return _ALERTS.search(when) is not None


def spoke(
    when: str, last: datetime | None, *, resumed: datetime | None, newest_alert: datetime | None
) -> bool:
    """Say whether a condition that was true at ``last`` has said what it has to say.

    Once, as a rule. What held a ramp, or rolled it back, speaks again of what the ramp does since
    it was ``resumed``, and likewise what stopped a champion; what asks for alerts, once one fires
    since, or fires worse. Of those that it spoke of it is not asked again.
    """
    if last is None:
        return False
    newer = asks_for_alerts(when) and newest_alert is not None and newest_alert > last
    return not newer and (resumed is None or last >= resumed)
