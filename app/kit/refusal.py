"""Refusals: the errors a caller can mend, as values that every edge renders in its own way."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar


class Kind(StrEnum):
    """What sort of refusal it is; the HTTP edge maps each to a status."""

    INVALID = "invalid"
    MALFORMED = "malformed"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    STALE = "stale"
    UNCONDITIONAL = "unconditional"
    TOO_LARGE = "too_large"
    HEAD_TOO_LARGE = "head_too_large"
    UNSUPPORTED = "unsupported"
    UNAVAILABLE = "unavailable"
    RATE_LIMITED = "rate_limited"


class Refusal(Exception):
    """A request that is understood and not carried out.

    Subclasses fix ``kind``, ``code`` (stable, machine-read), ``title`` and ``mend``: the call
    or change that would let the request through, its names in braces ``filled`` with what is
    known; where it depends on more, the whole of it is given. ``extra`` goes into the
    problem document.
    """

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "refused"
    title: ClassVar[str] = "The request was refused"
    mend: str | None = None

    def __init__(
        self,
        detail: str,
        *,
        filled: Mapping[str, object] | None = None,
        mend: str | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra
        self.mend = mend or type(self).mend
        for name, value in (filled or {}).items():
            self.mend = (self.mend or "").replace(f"{{{name}}}", str(value))


class NotFound(Refusal):
    """There is no such thing, or it is not the caller's to see."""

    kind = Kind.NOT_FOUND
    code = "not_found"
    title = "Not found"
    mend = "List the collection to see what exists for you."

    def __init__(self, noun: str, name: object, *, mend: str | None = None) -> None:
        super().__init__(f"There is no {noun} {str(name)!r}.", resource=noun, mend=mend)


class AlreadyExists(Refusal):
    """The name is taken."""

    kind = Kind.CONFLICT
    code = "already_exists"
    title = "Already exists"
    mend = "Choose another name, or read the existing resource."

    def __init__(self, noun: str, name: object, *, mend: str | None = None) -> None:
        super().__init__(f"A {noun} {str(name)!r} already exists.", resource=noun, mend=mend)


class Invalid(Refusal):
    """A value breaks a rule that its type alone does not show."""

    kind = Kind.INVALID
    code = "invalid"
    title = "Invalid request"
    mend = "Correct what `detail` names; /docs shows what is taken."


class Malformed(Refusal):
    """The bytes are not what they claim to be."""

    kind = Kind.MALFORMED
    code = "malformed"
    title = "Malformed body"
    mend = "Send one JSON document (RFC 8259), in UTF-8."


class TooLarge(Refusal):
    """More than the server takes in one call."""

    kind = Kind.TOO_LARGE
    code = "too_large"
    title = "Body too large"
    mend = "Split the request into smaller ones."


class Unavailable(Refusal):
    """The server cannot answer now; the same call may succeed in a moment."""

    kind = Kind.UNAVAILABLE
    code = "unavailable"
    title = "Temporarily unavailable"
    mend = "Send the same request, with the same Idempotency-Key, after Retry-After seconds."


class Overloaded(Unavailable):
    """So much is waiting already that more would only wait longer."""

    code = "overloaded"
    title = "Too much is waiting already"
    mend = "Send the same request again after Retry-After seconds, fewer of them at once."


class RateLimited(Refusal):
    """Too many in too short a time; ``retry_after`` says how many seconds to wait."""

    kind = Kind.RATE_LIMITED
    code = "rate_limited"
    title = "Too many requests"
    mend = "Send the same request again after Retry-After seconds."
