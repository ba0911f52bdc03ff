"""Does a JSON Schema accept a value? Decided where it can be without running a pattern. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Any

from app import catalog

MOST_WORK = 100_000
UNDECIDED = frozenset(
    {
        "if", "contains", "propertyNames", "patternProperties", "dependentSchemas",
        "dependentRequired", "unevaluatedItems", "unevaluatedProperties",
    }
)  # fmt: skip
"""Keywords that are never decided here."""


class Exhausted(Exception):
    """Two schemas take more looking at than they are worth."""


@dataclass
class Work:
    """What may still be looked at: a few lines of schema can stand for millions of cases."""

    left: int = MOST_WORK

    def spend(self) -> None:
        """Count one look."""
        self.left -= 1
        if self.left < 0:
            raise Exhausted


def is_of(value: Any, kind: str) -> bool:
    """Say whether a JSON value is of a type."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return {
        "null": value is None,
        "boolean": isinstance(value, bool),
        "number": number,
        "integer": number and float(value).is_integer(),
        "string": isinstance(value, str),
        "array": isinstance(value, list),
        "object": isinstance(value, dict),
    }[kind]


def accepts(schema: Any, value: Any, root: dict[str, Any], work: Work) -> bool | None:
    """Say whether a schema accepts a value; nothing where it is not decided here."""
    work.spend()
    if isinstance(schema, bool):
        return schema
    return _and(_judged(schema, value, root, work))


def _and(found: Iterator[bool | None]) -> bool | None:
    """Return the conjunction of what is known."""
    verdict: bool | None = True
    for one in found:
        if one is False:
            return False
        if one is None:
            verdict = None
    return verdict


def _judged(
    schema: dict[str, Any], value: Any, root: dict[str, Any], work: Work
) -> Iterator[bool | None]:
    """Yield what each keyword says of a value."""
    if UNDECIDED & schema.keys() or "multipleOf" in schema:
        yield None
    if "type" in schema:
        named = schema["type"]
        yield any(is_of(value, one) for one in ([named] if isinstance(named, str) else named))
    if "enum" in schema:
        yield catalog.key_of(value) in {catalog.key_of(one) for one in schema["enum"]}
    if "const" in schema:
        yield catalog.key_of(value) == catalog.key_of(schema["const"])
    yield from _in_place(schema, value, root, work)
    if is_of(value, "number"):
        yield from _number(schema, value)
    elif isinstance(value, str):
        yield schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", inf)
        yield None if {"pattern", "format"} & schema.keys() else True
    elif isinstance(value, list):
        yield from _list(schema, value, root, work)
    elif isinstance(value, dict):
        yield from _object(schema, value, root, work)


def _in_place(
    schema: dict[str, Any], value: Any, root: dict[str, Any], work: Work
) -> Iterator[bool | None]:
    """Yield what the schemas say that look at the same value."""
    if "$ref" in schema:
        yield accepts(catalog.resolve(root, schema["$ref"]), value, root, work)
    for one in schema.get("allOf", ()):
        yield accepts(one, value, root, work)
    for keyword, limit in (("anyOf", None), ("oneOf", 1)):
        if keyword in schema:
            said = [accepts(one, value, root, work) for one in schema[keyword]]
            yield _some(said, limit)
    if "not" in schema:
        unwanted = accepts(schema["not"], value, root, work)
        yield None if unwanted is None else not unwanted


def _some(said: list[bool | None], limit: int | None) -> bool | None:
    sure = said.count(True)
    if limit is not None and sure > limit:
        return False
    if None in said:
        return True if sure and limit is None else None
    return sure > 0


def _number(schema: dict[str, Any], value: float) -> Iterator[bool]:
    yield schema.get("minimum", -inf) <= value <= schema.get("maximum", inf)
    yield schema.get("exclusiveMinimum", -inf) < value < schema.get("exclusiveMaximum", inf)


def _list(
    schema: dict[str, Any], value: list[Any], root: dict[str, Any], work: Work
) -> Iterator[bool | None]:
    yield schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", inf)
    if schema.get("uniqueItems"):
        yield len({catalog.key_of(one) for one in value}) == len(value)
    prefix = schema.get("prefixItems", ())
    for index, one in enumerate(value):
        inner = prefix[index] if index < len(prefix) else schema.get("items", True)
        yield accepts(inner, one, root, work)


def _object(
    schema: dict[str, Any], value: dict[str, Any], root: dict[str, Any], work: Work
) -> Iterator[bool | None]:
    yield set(schema.get("required", ())) <= value.keys()
    yield schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", inf)
    known = schema.get("properties", {})
    for name, one in value.items():
        if name in known:
            yield accepts(known[name], one, root, work)
        elif "patternProperties" not in schema:
            yield accepts(schema.get("additionalProperties", True), one, root, work)
