"""The checked tree of a CEL expression, read out of the compiler's own serialised form. Pure.

Only what rules are judged by is kept: names of calls, literals and loops. The field numbers are
those of ``cel.expr.CheckedExpr`` (github.com/google/cel-spec, proto/cel/expr/checked.proto).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_BYTES, _VARINT, _WIDE, _NARROW = 2, 0, 1, 5
_ARITHMETIC = frozenset({"_+_", "_-_", "_*_", "_/_", "_%_", "-_"})
CONDITIONAL = "_?_:_"
ACCUMULATOR = "@result"
"""What a loop gathers in; no name that anybody can write."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node: a literal, a name, a selection, a call, a list, a map or a loop.

    A loop is named for its variable; its child is its range, and ``body`` runs once for each item.
    """

    kind: str
    name: str = ""
    children: tuple["Node", ...] = ()
    body: tuple["Node", ...] = ()


def tree(serialised: bytes) -> Node:
    """Return the root of a checked expression."""
    checked = _fields(serialised)[2][0]
    return _node(_fields(checked)[4][0])


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all that is below it."""
    yield node
    for child in (*node.children, *node.body):
        yield from walk(child)


def never_bool(node: Node) -> bool:
    """Say whether an expression of unknown type has a branch that is surely no yes or no."""
    if node.kind == "call" and node.name == CONDITIONAL:
        return any(never_bool(branch) for branch in node.children[1:])
    if node.kind == "call":
        return node.name in _ARITHMETIC
    return node.kind in {"text", "number", "list", "map"}


def _node(raw: bytes) -> Node:
    for number, values in _fields(raw).items():
        if make := _MAKERS.get(number):
            return make(values[0])
    return Node("number")


def _literal(raw: bytes) -> Node:
    fields = _fields(raw)
    for number in (6, 7):
        if number in fields:
            return Node("text", fields[number][0].decode(errors="replace"))
    return Node("bool" if 2 in fields else "number")  # noqa: PLR2004 - bool_value


def _ident(raw: bytes) -> Node:
    return Node("name", _fields(raw)[1][0].decode())


def _select(raw: bytes) -> Node:
    fields = _fields(raw)
    return Node("select", fields[2][0].decode(), (_node(fields[1][0]),))


def _call(raw: bytes) -> Node:
    fields = _fields(raw)
    of = [*fields.get(1, []), *fields.get(3, [])]
    return Node("call", fields[2][0].decode(), tuple(_node(item) for item in of))


def _list(raw: bytes) -> Node:
    return Node("list", children=tuple(_node(item) for item in _fields(raw).get(1, [])))


def _map(raw: bytes) -> Node:
    entries = [_fields(item) for item in _fields(raw).get(2, [])]
    parts = [entry[number][0] for entry in entries for number in (3, 4) if number in entry]
    return Node("map", children=tuple(_node(part) for part in parts))


def _loop(raw: bytes) -> Node:
    fields = _fields(raw)
    inside = [fields[number][0] for number in (4, 5, 6, 7) if number in fields]
    return Node(
        "loop",
        fields[1][0].decode(),
        (_node(fields[2][0]),),
        tuple(_node(item) for item in inside),
    )


_MAKERS = {3: _literal, 4: _ident, 5: _select, 6: _call, 7: _list, 8: _map, 9: _loop}


def _fields(raw: bytes) -> dict[int, list[Any]]:
    """Return a protobuf message's fields by number, each with its values in order."""
    found: dict[int, list[Any]] = {}
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        number, wire = tag >> 3, tag & 7
        value: Any
        if wire == _VARINT:
            value, at = _varint(raw, at)
        elif wire == _BYTES:
            length, at = _varint(raw, at)
            value, at = raw[at : at + length], at + length
        elif wire in {_WIDE, _NARROW}:
            width = 8 if wire == _WIDE else 4
            value, at = raw[at : at + width], at + width
        else:
            raise ValueError(f"wire type {wire}")
        found.setdefault(number, []).append(value)
    return found


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the last byte of a varint
            return value, at
        shift += 7
