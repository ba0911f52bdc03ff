"""Request ids: the caller's own if it is sane, else one of ours."""

import itertools
import re
import secrets

_SANE = re.compile(rb"[A-Za-z0-9._-]{1,64}")
# Unique across processes by its random beginning, cheap by its count.
_PROCESS = secrets.token_hex(11)
_NUMBERS = itertools.count(1)


def request_id(given: bytes | None = None) -> str:
    """Return the id a request goes by."""
    if given is not None and _SANE.fullmatch(given):
        return str(given, "ascii")
    return f"{_PROCESS}{next(_NUMBERS):010x}"
