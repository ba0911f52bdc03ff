"""Is everything that one JSON Schema lets through accepted by another? Pure.

The answer errs on one side only: where it says nothing, every value that ``given`` lets through is
accepted by ``wanted``. What cannot be decided (patterns that differ, conditions, alternatives that
only together are wide enough) is a mismatch of its own kind, and so is what takes too long.

Of recursive schemas a pair that is met again is taken to fit: each step down is a step into a
value, and values end.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from math import inf
from typing import Any

import orjson

from app import catalog
from app.release.accepting import UNDECIDED, Exhausted, Work, accepts
from app.release.shapes import Conj, Shape, nothing, shapes

MOST = 200
_DEEPEST = 60
_LONGEST = 300


class Kind(StrEnum):
    """What sort of mismatch it is."""

    SCHEMA = "schema"
    UNDECIDED = "undecided"
    VARIABLE = "variable"
    UNIT = "unit"
    DATA_CLASS = "data_class"
    LATENCY = "latency"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Where two schemas do not fit; ``wanted`` and ``given`` are what is asked and what comes."""

    path: str
    problem: str
    wanted: Any
    given: Any
    kind: Kind = Kind.SCHEMA

    def shown(self) -> dict[str, Any]:
        """Return it as plain JSON, long schemas cut short."""
        cut = {side: _brief(getattr(self, side)) for side in ("wanted", "given")}
        return {**asdict(self), **cut, "kind": self.kind.value}


def _brief(value: Any) -> Any:
    text = orjson.dumps(value, default=str).decode()
    return value if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def step(path: str, name: str) -> str:
    """Return the path to what stands under a name."""
    simple = name and not set(name) & set('.[]$"')
    return f"{path}.{name}" if simple else f"{path}[{orjson.dumps(name).decode()}]"


def unfit(given: dict[str, Any], wanted: dict[str, Any]) -> list[Mismatch]:
    """Return where ``given`` lets something through that ``wanted`` does not accept."""
    if given == wanted:
        return []
    comparison = _Comparison(wanted)
    try:
        return comparison.of(((given, given),), wanted, "$")[:MOST]
    except (Exhausted, RecursionError):
        problem = "the schemas take too long to compare; say it in fewer alternatives"
        return [Mismatch("$", problem, None, None, Kind.UNDECIDED)]


class _Comparison:
    """One comparison against one wanted root."""

    def __init__(self, root: dict[str, Any]) -> None:
        self.root = root
        self.work = Work()
        self.above: set[tuple[frozenset[int], int]] = set()

    def of(self, given: Conj, wanted: Any, path: str) -> list[Mismatch]:
        """Return the mismatches of everything ``given`` lets through."""
        if wanted is True or wanted == {}:
            return []
        if len(self.above) > _DEEPEST:
            raise Exhausted
        pair = (frozenset(id(part) for part, _ in given), id(wanted))
        if pair in self.above:
            return []
        self.above.add(pair)
        try:
            found: dict[tuple[str, str], Mismatch] = {}
            for shape in shapes(given, self.work):
                for one in self.shape(shape, wanted, path):
                    found.setdefault((one.path, one.problem), one)
            return list(found.values())
        finally:
            self.above.discard(pair)

    def shape(self, given: Shape, wanted: Any, path: str) -> Iterator[Mismatch]:
        """Yield the mismatches of one shape; those of a loose one may be more than there are."""
        for one in self._shape(given, wanted, path):
            doubtful = given.loose and one.kind is Kind.SCHEMA
            yield Mismatch(
                one.path, one.problem, one.wanted, one.given,
                Kind.UNDECIDED if doubtful else one.kind,
            )  # fmt: skip

    def _shape(self, given: Shape, wanted: Any, path: str) -> Iterator[Mismatch]:
        self.work.spend()
        if wanted is True:
            return
        if wanted is False:
            yield Mismatch(path, "nothing is accepted here", False, given.type)
            return
        if given.values is not None:
            worded = list(_type(given, wanted, path)) if given.type in {"null", "boolean"} else []
            yield from worded or self._values(given.values, wanted, path)
            return
        yield from _type(given, wanted, path)
        for keyword in ("enum", "const"):
            if keyword in wanted:
                yield Mismatch(path, "not limited to these values", wanted[keyword], given.type)
        for keyword in sorted(UNDECIDED & wanted.keys()):
            yield _open(path, f"`{keyword}` is not compared", wanted[keyword])
        yield from self._in_place(given, wanted, path)
        yield from self._own(given, wanted, path)

    def _own(self, given: Shape, wanted: dict[str, Any], path: str) -> Iterator[Mismatch]:
        """Yield what the keywords of the shape's own type say."""
        if given.type in {"integer", "number"}:
            yield from _numbers(given, wanted, path)
        elif given.type == "string":
            bounds = (given.least("minLength"), given.most("maxLength"))
            yield from _range(path, wanted, ("minLength", "maxLength"), bounds)
            yield from _words(given, wanted, path)
        elif given.type == "array":
            bounds = (given.least("minItems"), given.longest)
            yield from _range(path, wanted, ("minItems", "maxItems"), bounds)
            yield from self._items(given, wanted, path)
        elif given.type == "object":
            yield from self._object(given, wanted, path)

    def _values(self, values: list[Any], wanted: Any, path: str) -> Iterator[Mismatch]:
        said = [(value, accepts(wanted, value, self.root, self.work)) for value in values]
        if bad := [value for value, verdict in said if verdict is False]:
            yield Mismatch(path, "values that are not accepted", wanted, bad)
        elif unsure := [value for value, verdict in said if verdict is None]:
            yield Mismatch(
                path, "values of which it is not decided", wanted, unsure, Kind.UNDECIDED
            )

    def _in_place(self, given: Shape, wanted: dict[str, Any], path: str) -> Iterator[Mismatch]:
        if "$ref" in wanted:
            target = catalog.resolve(self.root, wanted["$ref"])
            yield from self.of(given.parts_of_type, target, path)
        for one in wanted.get("allOf", ()):
            yield from self._shape(given, one, path)
        for keyword in {"anyOf", "oneOf"} & wanted.keys():
            yield from self._alternatives(given, keyword, wanted[keyword], path)
        if "not" in wanted and not self._apart(given, wanted["not"]):
            yield _open(path, "may be what `not` excludes", wanted["not"])

    def _alternatives(
        self, given: Shape, keyword: str, choices: list[Any], path: str
    ) -> Iterator[Mismatch]:
        closest: list[Mismatch] | None = None
        for index, one in enumerate(choices):
            found = list(self._shape(given, one, path))
            if not found:
                rest = [other for at, other in enumerate(choices) if at != index]
                if keyword == "oneOf" and not all(self._apart(given, other) for other in rest):
                    yield _open(path, "may fit several of `oneOf` at once", choices)
                return
            if closest is None or len(found) < len(closest):
                closest = found
        # Together the alternatives may be wide enough where none is alone.
        apart = all(self._apart(given, one) for one in choices)
        nearest = f"; of the nearest: {closest[0].path} {closest[0].problem}" if closest else ""
        yield Mismatch(
            path, f"fits none of `{keyword}`{nearest}", choices, given.type,
            Kind.SCHEMA if apart else Kind.UNDECIDED,
        )  # fmt: skip

    def _apart(self, given: Shape, other: Any) -> bool:
        """Say whether a shape and a schema certainly have no value in common."""
        return nothing((*given.parts_of_type, (other, self.root)), self.work)

    def _items(self, given: Shape, wanted: dict[str, Any], path: str) -> Iterator[Mismatch]:
        unique = any(given.all_of("uniqueItems")) or given.longest <= 1
        if wanted.get("uniqueItems") and not unique:
            yield Mismatch(path, "items may be there twice", {"uniqueItems": True}, None)
        prefix = wanted.get("prefixItems", [])
        last = max(given.positions, len(prefix))
        for index in range(last + 1):
            if index >= given.longest:
                return
            inner = prefix[index] if index < len(prefix) else wanted.get("items", True)
            at = f"{path}[{index}]" if index < last else f"{path}[*]"
            yield from self.of(given.item(index), inner, at)

    def _object(self, given: Shape, wanted: dict[str, Any], path: str) -> Iterator[Mismatch]:
        for name in wanted.get("required", ()):
            if name not in given.required:
                yield Mismatch(step(path, name), "may be missing", "required", "optional")
        fewest = max(given.least("minProperties"), len(given.required))
        closed = bool(given.others) and nothing(given.others, self.work)
        most = min(given.most("maxProperties"), len(given.names) if closed else inf)
        yield from _range(path, wanted, ("minProperties", "maxProperties"), (fewest, most))
        if "patternProperties" in wanted:
            return  # said to be undecided before
        known, rest = wanted.get("properties", {}), wanted.get("additionalProperties", True)
        for name in sorted(given.names | known.keys()):
            at = step(path, name)
            found = self.of(given.named(name), known.get(name, rest), at)
            if found and not given.named(name):
                yield Mismatch(
                    at, "may come as anything: the schema neither describes nor excludes it",
                    known.get(name), None,
                )  # fmt: skip
            else:
                yield from found
        if rest is not True:
            yield from self.of(given.others, rest, f"{path}.*")


def _open(path: str, problem: str, wanted: Any) -> Mismatch:
    return Mismatch(path, problem, wanted, None, Kind.UNDECIDED)


def _type(given: Shape, wanted: dict[str, Any], path: str) -> Iterator[Mismatch]:
    named = wanted.get("type")
    if named is None:
        return
    accepted = {named} if isinstance(named, str) else set(named)
    fits = given.type in accepted or (given.type == "integer" and "number" in accepted)
    if not fits:
        yield Mismatch(path, f"may be {given.type}", named, given.type)


def _numbers(given: Shape, wanted: dict[str, Any], path: str) -> Iterator[Mismatch]:
    low, shut = given.low
    high, closed = given.high
    limit = wanted.get
    within = {
        "minimum": low >= limit("minimum", -inf),
        "maximum": high <= limit("maximum", inf),
        "exclusiveMinimum": (low, shut) > (limit("exclusiveMinimum", -inf), False),
        "exclusiveMaximum": (-high, closed) > (-limit("exclusiveMaximum", inf), False),
    }
    for keyword in within.keys() & wanted.keys():
        bound = low if "inimum" in keyword else high
        if not within[keyword]:
            found = None if abs(bound) == inf else bound
            yield Mismatch(path, f"goes beyond `{keyword}`", wanted[keyword], found)
    if "multipleOf" in wanted and wanted["multipleOf"] not in given.all_of("multipleOf"):
        whole = given.type == "integer" and wanted["multipleOf"] == 1
        if not whole:
            yield _open(path, "may be no multiple", wanted["multipleOf"])


def _words(given: Shape, wanted: dict[str, Any], path: str) -> Iterator[Mismatch]:
    for keyword in ("pattern", "format"):
        if keyword in wanted and wanted[keyword] not in given.all_of(keyword):
            yield _open(path, f"`{keyword}` is only compared where both have it", wanted[keyword])


def _range(
    path: str, wanted: dict[str, Any], keywords: tuple[str, str], bounds: tuple[float, float]
) -> Iterator[Mismatch]:
    (least, most), (low, high) = keywords, bounds
    if low < wanted.get(least, 0):
        yield Mismatch(path, f"may have fewer than `{least}`", wanted[least], low)
    if high > wanted.get(most, inf):
        yield Mismatch(
            path, f"may have more than `{most}`", wanted[most], None if high == inf else int(high)
        )
