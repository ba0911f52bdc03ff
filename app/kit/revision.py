"""Revisions: nobody overwrites what he has not seen."""

from app.kit.refusal import Kind, Refusal


class Stale(Refusal):
    """Somebody else changed the resource since it was read."""

    kind = Kind.STALE
    code = "condition_stale"
    title = "The resource has changed"
    mend = "GET the resource again, repeat the edit on its present state."


def require_current(expected: int, revision: int) -> None:
    """Refuse an edit made on another revision than the present one."""
    if expected != revision:
        raise Stale(
            f"You edited revision {expected}; the resource is at {revision}.", revision=revision
        )
