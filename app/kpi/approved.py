"""Approved: changes that are carried out once somebody else has agreed to them."""

from collections.abc import Iterator
from contextlib import contextmanager

from app import gates
from app.kit.refusal import Refusal


@contextmanager
def for_who_asked(event: gates.ChangeApproved, *mends: type[Refusal]) -> Iterator[None]:
    """Have what only who asked can mend void the approval, and say why."""
    try:
        yield
    except mends as refusal:
        raise gates.ApprovalVoid(
            f"The change of {event.target} cannot be carried out any more: {refusal.detail}",
            changed=[event.target],
        ) from refusal
