"""Moments that questions are asked about: said as sentences write them, and past."""

from datetime import UTC, datetime

from app.kit.refusal import Invalid


class InTheFuture(Invalid):
    """The moment asked about has not come."""

    code = "in_the_future"
    title = "In the future"
    mend = "Ask about a moment that has passed, or leave `at` away for the present."


def require_past(at: datetime, now: datetime) -> None:
    """Refuse a moment that has not come by the database's clock."""
    if at > now:
        raise InTheFuture(f"{said(at)} is in the future: it is {said(now)}.")


def said(at: datetime) -> str:
    """Return a time as sentences write it; one at the edge of the calendar as it came."""
    try:
        return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return at.isoformat()
