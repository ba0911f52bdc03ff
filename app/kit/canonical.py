"""One byte form for one meaning (RFC 8785), so that digests can be recomputed by anyone."""

import hashlib
from contextlib import suppress
from decimal import Decimal
from typing import Any

import orjson
import rfc8785

_UNSAFE = 2**53
_SORTED = orjson.OPT_SORT_KEYS
_FOUR_BYTES = 0xF0


def plain(value: Any) -> Any:
    """Reduce UUIDs, times, enums and Pydantic-free dataclasses to plain JSON values."""
    return orjson.loads(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))


def canonical(value: Any) -> bytes:
    """Return the canonical JSON bytes of a plain value.

    Where nothing but text, truths and small whole numbers is in it, orjson writes the same bytes,
    in a fraction of the time. The database writes floats as decimals without an exponent, so that
    1e16 comes back as a whole number that RFC 8785 has no form for: such numbers are written as the
    float they are, or, where no float is exactly that number, as text.
    """
    if _simple(value):
        # What orjson does not take is refused below, in the words of the one who knows the rules.
        with suppress(orjson.JSONEncodeError):
            written = orjson.dumps(value, option=_SORTED)
            # From this byte on are characters of two UTF-16 units, by which RFC 8785 sorts.
            if written.isascii() or max(written) < _FOUR_BYTES:
                return written
    try:
        return rfc8785.dumps(value)
    except rfc8785.IntegerDomainError:
        return rfc8785.dumps(_within_doubles(value))


def _simple(value: Any) -> bool:
    stack = [value]
    while stack:
        item = stack.pop()
        kind = type(item)
        if kind is dict:
            if not all(type(key) is str for key in item):
                return False
            stack.extend(item.values())
        elif kind is list:
            stack.extend(item)
        elif kind is int:
            if not -_UNSAFE < item < _UNSAFE:
                return False
        elif kind is not str and kind is not bool and item is not None:
            return False
    return True


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
