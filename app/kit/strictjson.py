"""Bytes to JSON, or a sentence that says why not.

orjson is fast and refuses most nonsense, but keeps the last of two equal keys, reads 1e400 as
infinity and lets NUL through. Each of those would surface later as a lost value or a 500, so
they are refused here, in front of every body.
"""

import json
import re
from collections.abc import Callable, Iterator
from math import isfinite
from typing import Any

import numpy as np
import orjson

from app.kit.refusal import Malformed

MAX_DEPTH = 32

# A colon or an n that its escape hides from being counted.
_DISGUISED = re.compile(rb"\\u00(?:3[aA]|6[eE])")
_LONG = 4096
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}")
_LONGEST_PATH = 200


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
    try:
        _require_faithful(raw, value)
    except (TypeError, RecursionError) as error:
        path = _path_to(value, lambda _, depth: depth > MAX_DEPTH)
        raise Malformed(f"The body is nested too deeply, at {path}.", path=path) from error
    return value


def _require_faithful(raw: bytes, value: Any) -> None:
    """Refuse what orjson read as something else.

    Written back, honest input has as many colons as before and no more letters n: a repeated key
    has lost one of its colons, and infinity is written as null. White space and the spelling of
    numbers change neither; escapes of those very letters do, and are looked at closely.
    """
    again = orjson.dumps(value)
    escaped = b"\\" in raw
    disguised = escaped and _DISGUISED.search(raw)
    if disguised or _count(raw, b":") != _count(again, b":"):
        _require_unique(raw)
    if disguised or _count(raw, b"n") != _count(again, b"n") or (escaped and b"\\u0000" in raw):
        _require_storable(value)


def _count(raw: bytes, letter: bytes) -> int:
    """Count a letter; in long input numpy does so ten times faster than ``bytes.count``."""
    if len(raw) < _LONG:
        return raw.count(letter)
    return int(np.count_nonzero(np.frombuffer(raw, np.uint8) == letter[0]))


class _TwiceError(Exception):
    """Some object has a key twice; which one is looked for then."""


class _Twice(dict[str, Any]):
    """An object that has a key twice."""

    key: str


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _TwiceError
    return found


def _marked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    twice, seen = _Twice(found), set[str]()
    twice.key = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    return twice


def _require_unique(raw: bytes) -> None:
    """Refuse an object with a key twice; where it stands is found by reading once more."""
    try:
        json.loads(raw, object_pairs_hook=_unique)
    except _TwiceError:
        value = json.loads(raw, object_pairs_hook=_marked)
    else:
        return
    path, item = _first(value, lambda item, _: isinstance(item, _Twice))
    raise Malformed(
        f"The key {item.key!r} stands twice in one object, at {path}.", key=item.key, path=path
    )


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
            path = _path_to(value, lambda one, _: isinstance(one, float) and not isfinite(one))
            raise Malformed(f"A number is too large to be represented, at {path}.", path=path)
        elif isinstance(item, str) and "\0" in item:
            path = _path_to(value, _holds_nul)
            raise Malformed(
                f"A string holds the NUL character, which cannot be stored, at {path}.", path=path
            )


def _holds_nul(item: Any, _: int) -> bool:
    return (
        "\0" in item
        if isinstance(item, str)
        else isinstance(item, dict) and any("\0" in key for key in item)
    )


def _path_to(value: Any, wrong: Callable[[Any, int], bool]) -> str:
    return _first(value, wrong)[0]


def _first(value: Any, wrong: Callable[[Any, int], bool]) -> tuple[str, Any]:
    """Return the first item that is wrong, at its depth, and its path: `$.events[3].at`.

    Looked for only after something was found wrong; the path of nothing is `$`.
    """
    trail: list[tuple[str, Iterator[tuple[str, Any]]]] = [("", iter([("$", value)]))]
    while trail:
        step = next(trail[-1][1], None)
        if step is None:
            trail.pop()
            continue
        name, item = step
        if wrong(item, len(trail) - 1):
            path = "".join(label for label, _ in trail) + name
            return path if len(path) <= _LONGEST_PATH else f"{path[:_LONGEST_PATH]}…", item
        if isinstance(item, dict | list):
            trail.append((name, _inside(item)))
    return "$", value


def _inside(item: dict[str, Any] | list[Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(item, list):
        return ((f"[{index}]", one) for index, one in enumerate(item))
    return (
        (f".{key}" if _PLAIN.fullmatch(key) else f"[{key!r}]", one) for key, one in item.items()
    )


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
    path = _path_to(value, lambda _, at: at > depth)
    raise Malformed(
        f"The body is nested deeper than {depth} levels, at {path}.", limit=depth, path=path
    )
