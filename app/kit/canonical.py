"""One byte form for one meaning (RFC 8785), so that digests can be recomputed by anyone."""

import hashlib
from decimal import Decimal
from typing import Any

import orjson
import rfc8785

_UNSAFE = 2**53


def plain(value: Any) -> Any:
    """Reduce UUIDs, times, enums and Pydantic-free dataclasses to plain JSON values."""
    return orjson.loads(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))


def canonical(value: Any) -> bytes:
    """Return the canonical JSON bytes of a plain value.

    The database writes floats as decimals without an exponent, so that 1e16 comes back as a whole
    number that RFC 8785 has no form for: such numbers are written as the float they are, or, where
    no float is exactly that number, as text.
    """
    try:
        return rfc8785.dumps(value)
    except rfc8785.IntegerDomainError:
        return rfc8785.dumps(_within_doubles(value))


def _within_doubles(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _within_doubles(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_within_doubles(item) for item in value]
    if isinstance(value, int) and abs(value) >= _UNSAFE:
        try:
            near = float(value)
        except OverflowError:
            return str(value)
        return near if near == value or _shortest(near) == value else str(value)
    return value


def _shortest(near: float) -> int:
    """Return the whole number that a float's shortest decimal names: what jsonb keeps of it."""
    return int(Decimal(repr(near)))


def digest(value: Any) -> str:
    """Return ``sha256:<hex>`` over the canonical JSON of ``value``."""
    return "sha256:" + hashlib.sha256(canonical(plain(value))).hexdigest()
