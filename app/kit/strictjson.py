"""Bytes to JSON, or a sentence that says why not.

orjson is fast and refuses most nonsense, but keeps the last of two equal keys, reads 1e400 as
infinity and lets NUL through. Each of those would surface later as a lost value or a 500, so
they are refused here, in front of every body.
"""

import json
import re
from math import isfinite
from typing import Any

import orjson

from app.kit.refusal import Malformed

MAX_DEPTH = 32

_ESCAPED = re.compile(rb"\\u00(?:22|3[aA])")
_SPACED_KEY = re.compile(rb'"\s+:')
_SPACED_QUOTES = (b'" ', b'"\n', b'"\t', b'"\r')
# Every digit as 0 and E as e, so that the shapes of huge numbers become plain strings to look for.
_SHAPES = bytes.maketrans(b"123456789E", b"000000000e")
_HUGE_SHAPES = (b"0e000", b"0e+000", b"0" * 200)
# A number and not a piece of a string that looks like one, but for strings with marks inside.
_HUGE_NUMBER = re.compile(rb"(?:^|[:,\[\s])-?(?:\d[\d.]*[eE]\+?\d{3}|\d{200})")


def loads(raw: bytes, *, depth: int = MAX_DEPTH) -> Any:
    """Parse ``raw``; refuse duplicate keys, non-finite numbers, NUL and deep nesting."""
    value = loads_flat(raw)
    _require_depth(value, depth)
    return value


def loads_flat(raw: bytes) -> Any:
    """Parse like ``loads`` without measuring depth, for bodies whose shape is checked whole."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Malformed(
            f"The body is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).",
            line=error.lineno,
            column=error.colno,
        ) from error
    if b"\\u0000" in raw or _may_be_infinite(raw):
        _require_storable(value)
    try:
        if _may_repeat_keys(raw, value):
            json.loads(raw, object_pairs_hook=_unique)
    except (TypeError, RecursionError) as error:
        raise Malformed("The body is nested too deeply.") from error
    return value


def _may_be_infinite(raw: bytes) -> bool:
    shapes = raw.translate(_SHAPES)
    return any(shape in shapes for shape in _HUGE_SHAPES) and bool(_HUGE_NUMBER.search(raw))


def _may_repeat_keys(raw: bytes, value: Any) -> bool:
    r"""Compare the key separators read with the keys kept; unequal means a key came twice.

    ``":`` cannot stand inside a JSON string but for ``\":``, which survives re-encoding, so
    the counts are equal for honest compact input. Spaced or escaped input is looked at closely.
    """
    if b"\\u00" in raw and _ESCAPED.search(raw):
        return True
    if any(quote in raw for quote in _SPACED_QUOTES) and _SPACED_KEY.search(raw):
        return True
    return raw.count(b'":') != orjson.dumps(value).count(b'":')


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Malformed(f"The key {twice!r} stands twice in one object.", key=twice)
    return found


def _require_storable(value: Any) -> None:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack.extend(item)
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, float) and not isfinite(item):
            raise Malformed("A number is too large to be represented.")
        elif isinstance(item, str) and "\0" in item:
            raise Malformed("A string holds the NUL character, which cannot be stored.")


def _require_depth(value: Any, depth: int) -> None:
    level = [value]
    for _ in range(depth + 1):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return
    raise Malformed(f"The body is nested deeper than {depth} levels.", limit=depth)
