"""JSON documents in every spelling the grammar allows, keys repeated now and then."""

import json
from typing import Any

from hypothesis import strategies as st

_SHORT = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\n": "\\n", "\t": "\\t"}


def reference(raw: bytes) -> tuple[Any, set[str]]:
    """Parse with the standard library; return the value, and every key that comes twice."""
    twice: set[str] = set()

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice.update(name for name in names if names.count(name) > 1)
        return dict(pairs)

    return json.loads(raw, object_pairs_hook=collect), twice


@st.composite
def spelled(draw: st.DrawFn) -> bytes:
    """Draw a document: short texts of the characters that matter, spaces and escapes anywhere."""
    return _value(draw, 3).encode()


def _space(draw: st.DrawFn) -> str:
    return draw(st.sampled_from(["", "", "", " ", "\n", "\t", "\r", " \r\n"]))


def _text(draw: st.DrawFn) -> str:
    written = []
    for char in draw(st.text('":\\a,{}\n', max_size=3)):
        ways = [f"\\u{ord(char):04x}", f"\\u{ord(char):04X}"]
        ways.append(_SHORT.get(char, char))
        written.append(draw(st.sampled_from(ways)))
    return '"' + "".join(written) + '"'


def _value(draw: st.DrawFn, depth: int) -> str:
    kind = draw(st.sampled_from(["text", "number", "object", "object", "array"]))
    if kind == "text" or not depth:
        return _text(draw)
    if kind == "number":
        return draw(st.sampled_from(["1", "-0.5", "1e2", "null", "true"]))
    parts = []
    for _ in range(draw(st.integers(0, 3))):
        key = f"{_text(draw)}{_space(draw)}:" if kind == "object" else ""
        parts.append(_space(draw) + key + _space(draw) + _value(draw, depth - 1) + _space(draw))
    opening, closing = ("{", "}") if kind == "object" else ("[", "]")
    return opening + ",".join(parts) + closing
