"""What an expression may cost at most over given facts, before it is run. Pure.

The runtime ends a loop after 10,000 turns, but it counts turns, not the bytes that a turn touches:
a regular expression of 40 characters can keep it for half a minute. So each call is charged for
the largest value it could meet, as often as the loops around it could turn. Prices are measured
nanoseconds, rounded up; the estimate is a bound, never a forecast. A value that is read by its
place in the facts is charged for what lies there, all others for the largest there is.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from app.gates.syntax import ACCUMULATOR, CONDITIONAL, Node, walk

Path = tuple[str, ...]
ANY = "*"

BUDGET_NS = 40e6
MOST_TURNS = 10_000
_MOST_NODES = 50_000
_MOST_DOUBLINGS = 24

_CALL = 300.0
_TEXT = 1.0
_COUNT = 0.4
_ITEM = 20.0
_NODE = 25.0
_REGEX = 8.0
_STATE = 60.0

_PLAIN = frozenset(
    {"_&&_", "_||_", "!_", CONDITIONAL, "@not_strictly_false", "_[_]", "_-_", "_*_", "_/_", "_%_",
     "-_"}
)  # fmt: skip
_COMPARING = frozenset({"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"})
_SCALAR = frozenset({"number", "bool", "text"})
_COUNTED = re.compile(r"\{(\d+)(?:,(\d*))?\}")
_CLASSES = re.compile(r"\\[pP]")
_CLASS_WEIGHT = 64
_MOST_REPEATS = 1000


@dataclass(frozen=True, slots=True)
class Size:
    """How large facts are: values in all, characters in all, longest text, widest collection."""

    nodes: float
    text: float
    longest: float
    widest: float


ANYTHING = Size(math.inf, math.inf, math.inf, math.inf)
GENEROUS = Size(nodes=500_000, text=4e6, longest=4e6, widest=500_000)
"""Larger than one piece of evidence can be; what is cheap over it needs no measuring."""


def measure(facts: Any) -> Size:
    """Return the size of plain JSON; beyond counting is ``ANYTHING``."""
    nodes = text = longest = widest = 0
    waiting = [facts]
    while waiting:
        value = waiting.pop()
        nodes += 1
        if isinstance(value, str):
            text += len(value)
            longest = max(longest, len(value))
        elif isinstance(value, dict | list):
            widest = max(widest, len(value))
            if isinstance(value, dict):
                text += sum(map(len, value))
                longest = max(longest, max(map(len, value), default=0))
            if nodes + len(waiting) + len(value) > _MOST_NODES:
                return ANYTHING
            waiting.extend(value.values() if isinstance(value, dict) else value)
    return Size(nodes, text, longest, widest)


def at(facts: Any, path: Path) -> list[Any]:
    """Return what lies at a path: nothing, one value, or all that ``ANY`` may stand for."""
    found = [facts]
    for part in path:
        inner: list[Any] = []
        for value in found:
            if isinstance(value, dict):
                inner += [*value, *value.values()] if part == ANY else [value.get(part)]
            elif isinstance(value, list) and part == ANY:
                inner += value
        found = inner
    return found


def cost(root: Node, sizes: Callable[[Path], Size]) -> float:
    """Return the most nanoseconds that an expression could take; ``sizes`` knows the facts."""
    return _cost(root, _Scope(sizes, _Largest(root, sizes), {}), 1.0)


class _Largest:
    """The largest value that an expression could meet or make, worked out if it is asked for."""

    def __init__(self, root: Node, sizes: Callable[[Path], Size]) -> None:
        self._root = root
        self._sizes = sizes

    @cached_property
    def size(self) -> Size:
        """Its size: of all the facts and literals, as often as sums could double them."""
        nodes = list(walk(self._root))
        written = max((len(node.name) for node in nodes if node.kind == "text"), default=0)
        listed = max((len(node.children) for node in nodes if node.kind == "list"), default=0)
        sums = sum(_grows(node) for node in nodes)
        # What a loop adds up, the loop within it may add up again.
        loops = any(node.kind == "loop" for node in nodes)
        growth = 2.0 ** min(sums, _MOST_DOUBLINGS) if loops else 1.0 + sums
        whole = self._sizes(())
        return Size(
            nodes=(whole.nodes + listed) * growth,
            text=(whole.text + written) * growth,
            longest=max(whole.longest, written) * growth,
            widest=max(whole.widest, listed) * growth,
        )


@dataclass(frozen=True, slots=True)
class _Scope:
    """What a node may meet: anything of the whole, or what lies at the path that it names."""

    sizes: Callable[[Path], Size]
    largest: _Largest
    variables: dict[str, Path | None]

    def path(self, node: Node) -> Path | None:
        """Return where in the facts a node's value lies, if it is a plain part of them."""
        if node.kind == "name":
            return self.variables.get(node.name, (node.name,))
        if node.kind == "select":
            around = self.path(node.children[0])
            return None if around is None else (*around, node.name)
        return None

    def of(self, node: Node) -> Size:
        """Return how large a node's value may be."""
        if node.kind in _SCALAR:
            return Size(1, len(node.name), len(node.name), 0)
        path = self.path(node)
        return self.largest.size if path is None else self.sizes(path)


def _cost(node: Node, scope: _Scope, times: float) -> float:
    inside, within = times, scope
    if node.kind == "loop":
        around = node.children[0]
        items = len(around.children) if around.kind == "list" else scope.of(around).widest
        inside = min(times * max(items, 1), MOST_TURNS)
        path = scope.path(around)
        variable = {node.name: None if path is None else (*path, ANY), ACCUMULATOR: None}
        within = _Scope(scope.sizes, scope.largest, {**scope.variables, **variable})
    return (
        times * _price(node, scope)
        + sum(_cost(child, scope, times) for child in node.children)
        + sum(_cost(child, within, inside) for child in node.body)
    )


def _price(node: Node, scope: _Scope) -> float:
    """Return what one node costs by itself, once."""
    if node.kind != "call" or node.name in _PLAIN:
        return _CALL
    if node.name in _COMPARING or node.name == "@in":
        return _CALL + _comparing(node, scope)
    if node.name == "_+_":
        return _CALL + _joining(node, scope)
    compiling = _STATE * _program(node) if node.name == "matches" else 0.0
    longest = max((scope.of(child).longest for child in node.children), default=0.0)
    return _CALL + compiling + _reading(node) * longest


def _joining(node: Node, scope: _Scope) -> float:
    if _grows(node):
        return _TEXT * scope.largest.size.longest + _ITEM * scope.largest.size.widest
    gathers = node.children[1].kind == "list"
    return _ITEM * min(scope.largest.size.widest, MOST_TURNS) if gathers else 0.0


def _reading(node: Node) -> float:
    """Return the price of a character that a function reads."""
    if node.name == "matches":
        return _REGEX * _program(node)
    return _COUNT if node.name == "size" else _TEXT


def _comparing(node: Node, scope: _Scope) -> float:
    """Return what equality or membership costs: the smaller side, or the list that is searched."""
    sides = node.children[1:] if node.name == "@in" else node.children
    if any(_counts(side) for side in sides):
        return 0.0
    return min(_NODE * size.nodes + 0.1 * size.text for size in map(scope.of, sides))


def _grows(node: Node) -> bool:
    """Say whether a sum could join texts or lists: not of a number, nor a loop's own counting."""
    if node.kind != "call" or node.name != "_+_":
        return False
    gathers = node.children[0].kind == "name" and node.children[0].name == ACCUMULATOR
    return not gathers and not any(child.kind == "number" for child in node.children)


def _counts(node: Node) -> bool:
    """Say whether a value is small by its kind: a literal, or the size of something."""
    return node.kind in _SCALAR or (node.kind == "call" and node.name == "size")


def _program(node: Node) -> float:
    """Return the states of a regular expression, its counted repetitions written out."""
    pattern = node.children[-1].name if node.children[-1].kind == "text" else ""
    repeats = 1
    for low, high in _COUNTED.findall(pattern):
        repeats *= max(int(low[:5]), int((high or "0")[:5]), 1)
    weight = len(pattern) + _CLASS_WEIGHT * len(_CLASSES.findall(pattern))
    return float(max(weight, 1) * min(repeats, _MOST_REPEATS))
