"""Formulas over named quantities: arithmetic, read and reckoned here. Pure.

The language is the arithmetic of CEL, in which policies are written, with the same spelling of what
is looked up. It is read here and not by CEL, for three things that CEL does not do: whole and
decimal numbers go together, every fault has its place (an unknown point as well), and a division by
zero is said to be one; CEL's is infinite, which a further division hides.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import isfinite

from app.kpi.scopes.parsing import BadFormula, Node, parsed
from app.telemetry import Performance

QUANTITIES: dict[str, Callable[[Performance], float]] = {
    "decisions": lambda done: done.valued,
    "reward": lambda done: done.reward,
    "rewarded": lambda done: done.rewarded,
    "conversions": lambda done: done.conversions,
    "cost": lambda done: done.cost,
    "costed": lambda done: done.costed,
    "labelled": lambda done: done.labelled,
    "hits": lambda done: done.hits,
    "positives": lambda done: done.positives,
    "true_positives": lambda done: done.true_positives,
    "false_positives": lambda done: done.false_positives,
    "false_negatives": lambda done: done.false_negatives,
    "erred": lambda done: done.erred,
    "absolute_error": lambda done: done.absolute_error,
    "squared_error": lambda done: done.squared_error,
}
"""Sums and counts of outcomes, by name; ``decisions`` are those with a reward or a cost."""
_CALLS: dict[str, Callable[[float, float], float]] = {"min": min, "max": max}
MOST_CALLS = 16
"""So many min and max are looked at to both sides for one error."""
_LOOKED_UP = frozenset({"quantity", "point"})


Leaf = tuple[str, str]
"""Whose sum or count, of the whole nobody's, and its name."""


class NotReckoned(ValueError):
    """The formula has no value over these quantities; the message says why."""


@dataclass(frozen=True, slots=True)
class Quantities:
    """What a formula is reckoned over."""

    whole: Performance
    points: Mapping[str, Performance]
    pushed: Mapping[str, float | None]
    moved: Mapping[Leaf, float] = field(default_factory=dict)
    """By how much sums are looked at beside what they are."""

    def at(self, of: str) -> Performance | None:
        """Return what is known of a point, or of the whole."""
        return self.points.get(of) if of else self.whole

    def sum_of(self, of: str, name: str) -> float:
        """Return a sum or count of a point, or of the whole."""
        done = self.at(of)
        if done is None:
            raise NotReckoned(f"{of} is no point of the scope any more")
        return float(QUANTITIES[name](done)) + self.moved.get((of, name), 0.0)


@dataclass(frozen=True, slots=True)
class Turn:
    """Which side some min and max of a formula go by, whatever both sides are."""

    sides: Mapping[int, int] = field(default_factory=dict)
    otherwise: bool = False

    def at(self, node: Node, own: tuple[float, ...]) -> tuple[float, ...]:
        """Return the slopes of a min or max, whose own are these."""
        if id(node) in self.sides:
            return (1.0, 0.0) if self.sides[id(node)] == 0 else (0.0, 1.0)
        return own[::-1] if self.otherwise else own


@dataclass(frozen=True, slots=True)
class Expression:
    """A formula that was read."""

    text: str
    root: Node = field(repr=False)

    @staticmethod
    def read(text: str) -> "Expression":
        """Return a formula; raise ``BadFormula``."""
        return _read(text)

    @property
    def quantities(self) -> frozenset[str]:
        """Which sums and counts it names, of the whole or of a point."""
        return self._named("quantity") | self._named("point")

    @property
    def points(self) -> frozenset[str]:
        """Whose sums it names."""
        return frozenset(one.of for one in _walk(self.root) if one.kind == "point")

    @property
    def steps(self) -> int:
        """How many numbers, names and signs are looked at for its value and its error."""
        turns = 2 + 2 * self._calls
        return sum(1 for _ in _walk(self.root)) * (2 + 4 * turns if self._calls else 2)

    @property
    def _calls(self) -> int:
        return sum(1 for one in _walk(self.root) if one.kind in _CALLS)

    @property
    def pushed(self) -> frozenset[str]:
        """Which reported KPIs it names."""
        return self._named("pushed")

    def _named(self, kind: str) -> frozenset[str]:
        return frozenset(one.name for one in _walk(self.root) if one.kind == kind)

    def require(self, points: frozenset[str], pushed: frozenset[str]) -> None:
        """Refuse what names what there is not, or surely divides by nothing."""
        if self._calls > MOST_CALLS:
            raise BadFormula(f"more than {MOST_CALLS} times min or max", self.text, 0)
        if not self.quantities and not self.pushed:
            raise BadFormula("names nothing that is measured or reported", self.text, 0)
        for one in _walk(self.root):
            if one.kind == "point" and one.of not in points:
                known = _listed(points)
                raise BadFormula(f"no point of the scope is {one.of!r}: {known}", self.text, one.at)
            if one.kind == "pushed" and one.name not in pushed:
                known = _listed(pushed)
                raise BadFormula(
                    f"no KPI of the scope with formula pushed is {one.name!r}: {known}",
                    self.text, one.at,
                )  # fmt: skip
            if one.kind == "/" and _constant(one.children[1]) == 0:
                raise BadFormula("divides by zero, whatever comes", self.text, one.at)

    def reckon(self, over: Quantities) -> float:
        """Return its value; raise ``NotReckoned``."""
        return self._value(self.root, over, {})

    def turns(self) -> Iterator["Turn"]:
        """Yield the ways that its min and max may go: as they do, all otherwise, and each by each.

        Of one that lies within others, these go its way.
        """
        if self._calls:
            yield Turn()
            yield Turn(otherwise=True)
            yield from _turns(self.root, {})

    def slopes(self, over: Quantities, turn: "Turn | None" = None) -> dict[Leaf, float]:
        """Return by how much the value grows with each sum that it names; raise ``NotReckoned``.

        From the value down, as by the chain rule: what it costs is the length of the formula. Of
        min and max by what they come to, or by what they would come to if they took a ``turn``.
        """
        turn = turn or Turn()
        values: dict[int, float] = {}
        self._value(self.root, over, values)
        found: dict[Leaf, float] = {}
        left = [(self.root, 1.0)]
        while left:
            node, slope = left.pop()
            if node.kind in _LOOKED_UP:
                leaf = (node.of, node.name)
                found[leaf] = found.get(leaf, 0.0) + slope
            elif node.children:
                own = _partial(node, [values[id(child)] for child in node.children])
                if node.kind in _CALLS:
                    own = turn.at(node, own)
                left += [
                    (child, slope * by) for child, by in zip(node.children, own, strict=True) if by
                ]
        return found

    def _value(self, node: Node, over: Quantities, values: dict[int, float]) -> float:
        found = self._found(node, over, values)
        values[id(node)] = found
        return found

    def _found(self, node: Node, over: Quantities, values: dict[int, float]) -> float:
        if node.kind == "number":
            return node.number
        if node.kind in _LOOKED_UP:
            return over.sum_of(node.of, node.name)
        if node.kind == "pushed":
            value = over.pushed.get(node.name)
            if value is None:
                raise NotReckoned(f"nothing was reported of {node.name}")
            return value
        found = self._sign(node, [self._value(child, over, values) for child in node.children])
        if not isfinite(found):  # before a division by it makes it nothing
            raise NotReckoned("it is larger than any number")
        return found

    def _sign(self, node: Node, values: list[float]) -> float:
        if node.kind == "negative":
            return -values[0]
        left, right = values
        if node.kind == "/":
            if right == 0:
                where = BadFormula("", self.text, node.at)
                raise NotReckoned(f"it divides by zero, in line {where.line} at {where.column}")
            return left / right
        if node.kind == "*":
            return left * right
        if node.kind in _CALLS:
            return _CALLS[node.kind](left, right)
        return left + right if node.kind == "+" else left - right


def _partial(node: Node, values: list[float]) -> tuple[float, ...]:
    """Return by how much a sign's value grows with each thing that it is between."""
    if node.kind == "negative":
        return (-1.0,)
    left, right = values
    if node.kind in _CALLS:
        first = left == _CALLS[node.kind](left, right)
        return (1.0, 0.0) if first else (0.0, 1.0)
    if node.kind == "/":
        return 1 / right, -left / right / right
    if node.kind == "*":
        return right, left
    return 1.0, 1.0 if node.kind == "+" else -1.0


def _listed(names: frozenset[str]) -> str:
    return f"there are {', '.join(sorted(names))}" if names else "there is none"


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _turns(node: Node, above: Mapping[int, int]) -> Iterator[Turn]:
    for side, child in enumerate(node.children):
        sides = {**above, id(node): side} if node.kind in _CALLS else above
        if node.kind in _CALLS:
            yield Turn(sides)
        yield from _turns(child, sides)


def _constant(node: Node) -> float | None:
    """Return what a part comes to whatever is measured, or nothing where that depends."""
    if any(one.kind in {*_LOOKED_UP, "pushed"} for one in _walk(node)):
        return None
    nothing = Quantities(Performance(), {}, {})
    try:
        return Expression("", node).reckon(nothing)
    except NotReckoned:
        return None


@lru_cache(maxsize=1024)
def _read(text: str) -> Expression:
    return Expression(text, parsed(text, QUANTITIES))
