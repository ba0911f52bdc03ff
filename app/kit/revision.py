"""Revisions: nobody overwrites what he has not seen."""

from app.kit.refusal import Kind, Refusal


class ConditionMissing(Refusal):
    """An edit came without saying which state it edits."""

    kind = Kind.UNCONDITIONAL
    code = "condition_missing"
    title = "If-Match is required"
    mend = "GET the resource and send its ETag as If-Match."


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


def require_condition(expected: int | None, revision: int) -> None:
    """Refuse to replace what exists at ``revision`` without, or on another, condition."""
    if expected is None:
        raise ConditionMissing("It exists already and is replaced only with If-Match.")
    require_current(expected, revision)
