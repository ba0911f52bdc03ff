"""What was in force at a moment: pure.

A reign is half-open, ``[since, until)``: at the instant of a swap the new champion answers. A plan
is in force until the next revision.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol, TypeVar

from app.kit.moment import said
from app.kit.refusal import Kind, Refusal


class NothingThen(Refusal):
    """Nothing was in force at the moment asked about."""

    kind = Kind.NOT_FOUND
    code = "nothing_then"
    title = "Nothing was in force then"
    mend = "Ask about a later moment; the seats and the history say since when there is something."


class Reign(Protocol):
    """Something in force from ``since`` up to, and not at, ``until``."""

    @property
    def since(self) -> datetime:
        """Its first instant."""

    @property
    def until(self) -> datetime | None:
        """The first instant after it, if it has ended."""


R = TypeVar("R", bound=Reign)


def in_force(reigns: Iterable[R], at: datetime) -> R | None:
    """Return the reign that holds ``at``; of several the last to begin."""
    holding = [
        reign for reign in reigns if reign.since <= at and (reign.until is None or at < reign.until)
    ]
    return max(holding, key=lambda reign: reign.since, default=None)


def nothing_then(what: str, at: datetime, first: datetime | None) -> NothingThen:
    """Return the refusal that says since when there has been something, if there ever was."""
    if first is None:
        return NothingThen(f"{what} has never been.")
    if at < first:
        return NothingThen(f"{what} did not exist at {said(at)}; the first is of {said(first)}.")
    return NothingThen(f"{what} did not exist at {said(at)}.")
