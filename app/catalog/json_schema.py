"""JSON Schemas of contracts and signatures: a bounded, local subset of draft 2020-12. Pure.

A schema that is kept here is read by others for years, so everything in it means what the draft
says: keywords outside of the list are refused rather than ignored, a reference points into the
schema itself, and none leads to itself without taking a step into the value.
"""

import math
import re
from collections.abc import Iterator
from typing import Any

import orjson

from app.kit.canonical import canonical

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MAX_BYTES = 32 * 1024
MAX_DEPTH = 20
TYPES = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})
_HERE = re.compile(r"#(?:/\$defs/([A-Za-z0-9._-]{1,128}))?")

_ONE = frozenset(
    {
        "items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames",
        "unevaluatedItems", "unevaluatedProperties",
    }
)  # fmt: skip
_MANY = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_NAMED = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs"})
_COUNTS = frozenset(
    {
        "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties",
        "minContains", "maxContains",
    }
)  # fmt: skip
_LIMITS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
_WORDS = frozenset(
    {
        "title", "description", "$comment", "format", "pattern", "contentMediaType",
        "contentEncoding",
    }
)  # fmt: skip
_FLAGS = frozenset({"uniqueItems", "deprecated", "readOnly", "writeOnly"})
_ANYTHING = frozenset({"default", "examples", "const"})
_IN_PLACE = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"})
"""Keywords whose schemas look at the same value."""


def require_schema(schema: Any) -> None:
    """Raise ``ValueError`` saying where a schema leaves the subset."""
    if not isinstance(schema, dict):
        raise ValueError("a schema is an object here")  # noqa: TRY004 - Pydantic reads this one
    if len(orjson.dumps(schema)) > MAX_BYTES:
        raise ValueError(f"a schema has at most {MAX_BYTES} bytes")
    dialect = schema.get("$schema", DIALECT)
    if not isinstance(dialect, str) or dialect.rstrip("#") != DIALECT:
        raise ValueError(f"$schema is {DIALECT}, or left out")
    _check({key: value for key, value in schema.items() if key != "$schema"}, "#", 1)
    _require_targets(schema)
    _require_progress(schema)


def resolve(root: dict[str, Any], reference: str) -> Any:
    """Return what a reference of the subset points at."""
    found = _HERE.fullmatch(reference)
    if found is None:
        raise ValueError(f"{reference!r} points outside of the schema")
    return root if found[1] is None else root.get("$defs", {})[found[1]]


def _check(schema: Any, at: str, depth: int) -> None:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise ValueError(f"{at}: a schema is an object, true or false")  # noqa: TRY004 - likewise
    if depth > MAX_DEPTH:
        raise ValueError(f"{at}: nested more than {MAX_DEPTH} deep")
    for keyword, value in schema.items():
        where = f"{at}/{keyword}"
        problem = _problem(keyword, value)
        if problem:
            raise ValueError(f"{where}: {problem}")
        for name, inner in _inner(keyword, value):
            _check(inner, f"{where}{name}", depth + 1)


def _inner(keyword: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the schemas that a keyword holds, each with its place in it."""
    if keyword in _ONE:
        yield "", value
    elif keyword in _MANY:
        yield from ((f"/{index}", inner) for index, inner in enumerate(value))
    elif keyword in _NAMED:
        yield from ((f"/{name}", inner) for name, inner in value.items())


def _problem(keyword: str, value: Any) -> str | None:  # noqa: PLR0911 - a line for each kind
    """Say what is wrong with a keyword's own value, its inner schemas aside."""
    if keyword in _ONE or keyword in _ANYTHING or keyword.startswith("x-"):
        return None if _depth(value) <= MAX_DEPTH else "nested too deeply"
    if keyword in _MANY:
        return None if isinstance(value, list) and value else "a list of schemas"
    if keyword in _NAMED:
        return None if isinstance(value, dict) else "an object of schemas"
    if keyword in _COUNTS:
        return None if _is_whole(value) and value >= 0 else "a whole number from 0 on"
    if keyword in _LIMITS:
        return None if _is_number(value) else "a number"
    if keyword == "multipleOf":
        return None if _is_number(value) and value > 0 else "a number above 0"
    if keyword in _FLAGS:
        return None if isinstance(value, bool) else "true or false"
    if keyword in _WORDS:
        return None if isinstance(value, str) else "text"
    return _special(keyword, value)


def _special(keyword: str, value: Any) -> str | None:
    if keyword == "type":
        named = [value] if isinstance(value, str) else value
        good = isinstance(named, list) and named and all(isinstance(one, str) for one in named)
        return (
            None if good and set(named) <= TYPES else f"one or more of {', '.join(sorted(TYPES))}"
        )
    if keyword == "enum":
        return None if isinstance(value, list) and value else "a list of values"
    if keyword == "required":
        return None if _is_names(value) else "a list of names, each once"
    if keyword == "dependentRequired":
        good = isinstance(value, dict) and all(_is_names(names) for names in value.values())
        return None if good else "an object of lists of names"
    if keyword == "$ref":
        good = isinstance(value, str) and _HERE.fullmatch(value) is not None
        return None if good else "`#` or `#/$defs/<name>`: nothing outside of the schema is read"
    return "not a keyword of the subset; what is only a note begins with `x-`"


def _is_names(value: Any) -> bool:
    words = isinstance(value, list) and all(isinstance(name, str) for name in value)
    return words and len(set(value)) == len(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return (_is_whole(value) or isinstance(value, float)) and math.isfinite(value)


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max((_depth(item) for item in inner), default=0)


def places(schema: Any, at: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema object in a schema with its place, itself first."""
    if isinstance(schema, dict):
        yield at, schema
        for keyword, value in schema.items():
            for name, inner in _inner(keyword, value):
                yield from places(inner, f"{at}/{keyword}{name}")


def _require_targets(root: dict[str, Any]) -> None:
    defined = root.get("$defs", {})
    for _, schema in places(root):
        if schema is not root and "$defs" in schema:
            raise ValueError("$defs stands at the top of the schema only")
        reference = schema.get("$ref")
        found = _HERE.fullmatch(reference) if reference is not None else None
        if found and found[1] is not None and found[1] not in defined:
            raise ValueError(f"$ref: there is no {reference}")


def _require_progress(root: dict[str, Any]) -> None:
    """Refuse a reference that comes back to where it stands without a step into the value."""
    done: set[int] = set()
    entered: set[int] = set()

    def visit(schema: Any) -> None:
        if not isinstance(schema, dict) or id(schema) in done:
            return
        if id(schema) in entered:
            raise ValueError("$ref: a schema refers to itself without a step into the value")
        entered.add(id(schema))
        if "$ref" in schema:
            visit(resolve(root, schema["$ref"]))
        for keyword in _IN_PLACE & schema.keys():
            held = schema[keyword]
            inner = held.values() if keyword == "dependentSchemas" else held
            for one in [inner] if isinstance(inner, dict | bool) else inner:
                visit(one)
        entered.discard(id(schema))
        done.add(id(schema))

    for _, schema in places(root):
        visit(schema)


def key_of(value: Any) -> bytes:
    """Return what two JSON values have in common exactly if the draft calls them equal."""
    return canonical(_equal(value))


def _equal(value: Any) -> Any:
    """Spell numbers alike: 1.0 is 1, while true is neither."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _equal(item) for name, item in value.items()}
    return [_equal(item) for item in value] if isinstance(value, list) else value
