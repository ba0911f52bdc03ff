"""What evaluation refuses: problem documents that hold the members OFREP asks for as well."""

from typing import ClassVar

from app.kit.refusal import Kind, Refusal


class _Unevaluated(Refusal):
    """A flag that cannot be evaluated."""

    error: ClassVar[str]

    def __init__(self, detail: str, key: str | None = None) -> None:
        named = {} if key is None else {"key": key}
        super().__init__(detail)
        self.extra = {**named, "errorCode": self.error, "errorDetails": detail}


class FlagNotFound(_Unevaluated):
    """No such flag, or it is not the caller's to see."""

    kind = Kind.NOT_FOUND
    code = "not_found"
    title = "Not found"
    mend = "POST /ofrep/v1/evaluate/flags lists the flags that there are for you."
    error = "FLAG_NOT_FOUND"


class NoTargetingKey(_Unevaluated):
    """Nobody to decide about."""

    kind = Kind.MALFORMED
    code = "targeting_key_missing"
    title = "Who is decided about?"
    mend = 'Send {"context": {"targetingKey": "<1 to 256 characters>"}}.'
    error = "TARGETING_KEY_MISSING"


class BadContext(_Unevaluated):
    """A context that cannot be used."""

    kind = Kind.MALFORMED
    code = "invalid_context"
    title = "Unacceptable context"
    mend = 'Send {"context": {"targetingKey": "<1 to 256 characters>", …}}.'
    error = "INVALID_CONTEXT"


class Unparsable(_Unevaluated):
    """A body that is not JSON, or not faithfully."""

    kind = Kind.MALFORMED
    code = "parse_error"
    title = "Unreadable body"
    mend = "Send one JSON object."
    error = "PARSE_ERROR"
