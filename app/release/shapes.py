"""What a JSON Schema lets through, taken apart into shapes. Pure.

A shape is a conjunction of schemas for values of one type, every alternative of them chosen, every
reference followed. It never lets through less than its schema: a keyword that is not understood
here is left out, which makes the shape ``loose``. So what is proved of shapes holds of schemas.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil, floor, inf
from typing import Any

from app import catalog
from app.release.accepting import Work, accepts, is_of

Schema = Any
Conj = tuple[tuple[Schema, dict[str, Any]], ...]
"""Schemas that all hold, each with the root that its references point into."""

TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
_OF: dict[str, dict[str, Any]] = {name: {"type": name} for name in TYPES}
MOST_SHAPES = 64
MOST_ENUMERATED = 64
_DEEPEST = 4
_UNREAD = frozenset(
    {
        "not", "if", "contains", "propertyNames", "patternProperties", "dependentSchemas",
        "dependentRequired", "unevaluatedItems", "unevaluatedProperties",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """Values of one type that all ``parts`` let through."""

    type: str
    parts: Conj
    loose: bool
    work: Work = field(compare=False, repr=False)

    @cached_property
    def parts_of_type(self) -> Conj:
        """The parts, and the type that was chosen of theirs."""
        return (*self.parts, (_OF[self.type], {}))

    def all_of(self, keyword: str) -> list[Any]:
        """Return every value that a keyword has among the parts."""
        return [part[keyword] for part, _ in self.parts if keyword in part]

    @cached_property
    def low(self) -> tuple[float, bool]:
        """The lower bound, and whether it is itself left out."""
        found = [(value, False) for value in self.all_of("minimum")]
        found += [(value, True) for value in self.all_of("exclusiveMinimum")]
        value, shut = max(found, default=(-inf, False))
        if self.type != "integer" or value == -inf:
            return value, shut
        return (floor(value) + 1 if shut else ceil(value)), False

    @cached_property
    def high(self) -> tuple[float, bool]:
        """The upper bound, likewise."""
        found = [(value, False) for value in self.all_of("maximum")]
        found += [(value, True) for value in self.all_of("exclusiveMaximum")]
        value, shut = min(found, default=(inf, False), key=lambda one: (one[0], not one[1]))
        if self.type != "integer" or value == inf:
            return value, shut
        return (ceil(value) - 1 if shut else floor(value)), False

    def least(self, keyword: str) -> int:
        """Return a count's lower bound."""
        return max(self.all_of(keyword), default=0)

    def most(self, keyword: str) -> float:
        """Return a count's upper bound."""
        return min(self.all_of(keyword), default=inf)

    @cached_property
    def required(self) -> set[str]:
        """The names that are always there."""
        return {name for names in self.all_of("required") for name in names}

    @cached_property
    def names(self) -> set[str]:
        """The names that something is said of."""
        return {name for held in self.all_of("properties") for name in held}

    def named(self, name: str) -> Conj:
        """Return what holds of the value under a name."""
        found = []
        for part, root in self.parts:
            if name in part.get("properties", {}):
                found.append((part["properties"][name], root))
            elif "additionalProperties" in part and "patternProperties" not in part:
                found.append((part["additionalProperties"], root))
        return tuple(found)

    @cached_property
    def others(self) -> Conj:
        """What holds of values under names that nothing is said of."""
        return tuple(
            (part["additionalProperties"], root)
            for part, root in self.parts
            if "additionalProperties" in part and "patternProperties" not in part
        )

    @cached_property
    def positions(self) -> int:
        """How many items something particular is said of."""
        return max((len(held) for held in self.all_of("prefixItems")), default=0)

    def item(self, index: int) -> Conj:
        """Return what holds of an item."""
        found = []
        for part, root in self.parts:
            prefix = part.get("prefixItems", ())
            if index < len(prefix):
                found.append((prefix[index], root))
            elif "items" in part:
                found.append((part["items"], root))
        return tuple(found)

    @cached_property
    def longest(self) -> float:
        """How many items there can be: where nothing fits, an array has ended."""
        ends = (i for i in range(self.positions + 1) if nothing(self.item(i), self.work))
        return min(self.most("maxItems"), next(ends, inf))

    @cached_property
    def values(self) -> list[Any] | None:
        """Every value there is, where they are few enough to name."""
        if self.type == "null":
            candidates: list[Any] = [None]
        elif self.type == "boolean":
            candidates = [False, True]
        elif listed := [*self.all_of("enum"), *([one] for one in self.all_of("const"))]:
            candidates = min(listed, key=len)
        elif (found := self._few()) is not None:
            candidates = found
        else:
            return None
        return [
            value
            for value in candidates
            if is_of(value, self.type)
            and all(accepts(part, value, root, self.work) is not False for part, root in self.parts)
        ]

    def _few(self) -> list[Any] | None:
        (low, _), (high, _) = self.low, self.high
        if self.type == "number" and low == high:
            return [low]
        if self.type == "integer" and high - low < MOST_ENUMERATED:
            return list(range(int(low), int(high) + 1))
        return None

    def empty(self, depth: int = 0) -> bool:
        """Say whether nothing can be let through; ``False`` where it is not known."""
        if self.values is not None:
            return not self.values
        if self.type in {"integer", "number"}:
            (low, shut), (high, closed) = self.low, self.high
            return low > high or (low == high and (shut or closed))
        if self.type == "string":
            return self.least("minLength") > self.most("maxLength")
        if depth >= _DEEPEST:
            return False
        if self.type == "object":
            return (
                max(self.least("minProperties"), len(self.required)) > self.most("maxProperties")
            ) or any(nothing(self.named(name), self.work, depth + 1) for name in self.required)
        least = self.least("minItems")
        return least > self.most("maxItems") or any(
            nothing(self.item(index), self.work, depth + 1)
            for index in range(min(least, self.positions + 1))
        )


Parts = list[tuple[Any, dict[str, Any]]]
Way = tuple[Parts, bool]
"""The schemas that hold when every alternative is chosen, and whether something was left out."""


def shapes(conj: Conj, work: Work, depth: int = 0) -> list[Shape]:
    """Take a conjunction apart; no shape at all means that it lets nothing through."""
    return [
        shape
        for parts, loose in _ways(conj, work, depth)
        for shape in _typed(tuple(parts), loose, work)
        if not shape.empty(depth)
    ]


def _ways(conj: Conj, work: Work, depth: int) -> list[Way]:
    ways: list[Way] = [([], False)]
    waiting, seen = list(conj), set()
    while waiting:
        schema, root = waiting.pop()
        work.spend()
        if schema is False:
            return []
        if schema is True or id(schema) in seen:
            continue
        seen.add(id(schema))
        if "$ref" in schema:
            waiting.append((catalog.resolve(root, schema["$ref"]), root))
        waiting += [(one, root) for one in schema.get("allOf", ())]
        unread = bool(_UNREAD & schema.keys())
        ways = [([*parts, (schema, root)], loose or unread) for parts, loose in ways]
        for keyword in {"anyOf", "oneOf"} & schema.keys():
            ways = _chosen(ways, keyword, schema[keyword], root, work, depth)
    return ways


def _chosen(
    ways: list[Way],
    keyword: str,
    alternatives: list[Any],
    root: dict[str, Any],
    work: Work,
    depth: int,
) -> list[Way]:
    """Return every way on with each alternative that lets something through."""
    choices = [
        way
        for one in alternatives
        for way in _ways(((one, root),), work, depth)
        if any(not shape.empty(depth) for shape in _typed(tuple(way[0]), way[1], work))
    ]
    if len(ways) * len(choices) > MOST_SHAPES:
        # Too many to look at one by one: the alternatives are left out.
        return [(parts, True) for parts, _ in ways]
    return [
        ([*parts, *more], loose or maybe or keyword == "oneOf")
        for parts, loose in ways
        for more, maybe in choices
    ]


def _typed(parts: Conj, loose: bool, work: Work) -> Iterator[Shape]:  # noqa: FBT001 - half a pair
    allowed = set(TYPES)
    for part, _ in parts:
        if "type" in part:
            named = part["type"]
            own = {named} if isinstance(named, str) else set(named)
            allowed &= own | {"integer"} if "number" in own else own
    if "number" in allowed:
        allowed.discard("integer")
    for one in TYPES:
        if one in allowed:
            yield Shape(one, parts, loose, work)


def nothing(conj: Conj, work: Work, depth: int = 0) -> bool:
    """Say whether a conjunction certainly lets nothing through."""
    return depth < _DEEPEST and not shapes(conj, work, depth)
