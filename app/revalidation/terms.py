"""When a version is to be validated again, and who is told at which moment. Pure."""

from datetime import datetime, timedelta
from enum import StrEnum

from app.gates import Revalidation

_DAY = timedelta(days=1)


class State(StrEnum):
    """How near the day is."""

    FINE = "fine"
    DUE_SOON = "due_soon"
    DUE = "due"
    OVERDUE = "overdue"
    ESCALATED = "escalated"


class Notice(StrEnum):
    """What somebody is told."""

    DUE = "due"
    OVERDUE = "overdue"
    ESCALATED = "escalated"


def term_of(began: datetime, days: int, expires: datetime | None) -> tuple[datetime, int]:
    """Return when a term of some days ends, and how many days it has.

    What expires has to be looked at by then, however late policy would ask for it.
    """
    due = began + timedelta(days=days)
    if expires is None or expires >= due:
        return due, days
    return expires, max(1, (expires - began) // _DAY)


def days_left(due: datetime, now: datetime) -> int:
    """Return how many whole days are left; on the last day none, after it less."""
    return (due - now) // _DAY


def _reminders(within: int, terms: Revalidation) -> list[int]:
    """Return the days before the day on which is reminded, first to last.

    What would come before the term begins is left out.
    """
    return sorted({days for days in terms.remind_days if days < within}, reverse=True)


def state_of(due: datetime, now: datetime, *, within: int, terms: Revalidation) -> State:
    """Say how near the day is, of a term of ``within`` days.

    It is soon from the first reminder on, and due from the second.
    """
    if now > due:
        late = now - due >= timedelta(days=terms.escalate_days)
        return State.ESCALATED if late else State.OVERDUE
    left, reminders = days_left(due, now), _reminders(within, terms)
    reached = [days for days in reminders if left <= days]
    if reached and left <= reminders[:2][-1]:
        return State.DUE
    return State.DUE_SOON if reached else State.FINE


def notice_of(
    due: datetime, now: datetime, *, within: int, terms: Revalidation
) -> tuple[Notice, int] | None:
    """Return what is to be told by now, and for which day of the policy's; nothing if it is early.

    Only the latest counts: who was not told in time is told once what holds by now.
    """
    state = state_of(due, now, within=within, terms=terms)
    if state is State.ESCALATED:
        return Notice.ESCALATED, terms.escalate_days
    if state is State.OVERDUE:
        return Notice.OVERDUE, 0
    left = days_left(due, now)
    reached = [days for days in _reminders(within, terms) if left <= days]
    return (Notice.DUE, min(reached)) if reached else None
