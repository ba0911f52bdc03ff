"""Schemas of the subset to be drawn, and a small world of values to try them on."""

import itertools
from typing import Any

from hypothesis import strategies as st

NAMES = ["a", "b", "c"]
NUMBERS = [-1, 0, 0.5, 1, 1.0, 2, 3]
WORDS = ["", "a", "ab", "abc"]
PLAIN: list[Any] = [None, True, False, *NUMBERS, *WORDS]
FLAT: list[Any] = [
    *([], *([one] for one in PLAIN), *map(list, itertools.product(PLAIN[:6], repeat=2))),
    [0, 1, 2],
    ["a", "ab", "abc"],
    {},
    *({"a": one} for one in PLAIN),
    *({"b": one} for one in PLAIN),
    *({"a": one, "b": other} for one, other in itertools.product(PLAIN[:6:2], PLAIN[1:12:3])),
    {"a": 1, "b": "a", "c": None},
    {"x": 1},
    {"a": 1, "x": "ab"},
]
WORLD: list[Any] = [
    *PLAIN,
    *FLAT,
    *([one] for one in FLAT[::5]),
    *({"a": one} for one in FLAT[::3]),
    *({"a": one, "b": 1} for one in FLAT[::7]),
    *({"a": {"a": one}} for one in FLAT[::9]),
    *([0, one] for one in FLAT[::11]),
]
"""Every kind of value, nested a little: what two schemas are told apart by."""

COUNTS = st.integers(0, 3)
LIMITS = st.sampled_from(NUMBERS)
KEYWORDS: dict[str, Any] = {
    "type": st.one_of(
        st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"]),
        st.lists(
            st.sampled_from(["null", "integer", "number", "string", "object"]),
            min_size=1, max_size=3, unique=True,
        ),
    ),
    "enum": st.lists(st.sampled_from([*PLAIN, [], {}, [0], {"a": 1}]), min_size=1, max_size=3),
    "const": st.sampled_from([*PLAIN, {"a": 1}]),
    "minimum": LIMITS,
    "maximum": LIMITS,
    "exclusiveMinimum": LIMITS,
    "exclusiveMaximum": LIMITS,
    "multipleOf": st.sampled_from([1, 2, 0.5]),
    "minLength": COUNTS,
    "maxLength": COUNTS,
    "pattern": st.sampled_from(["^a", "b$"]),
    "minItems": COUNTS,
    "maxItems": COUNTS,
    "uniqueItems": st.booleans(),
    "minProperties": COUNTS,
    "maxProperties": COUNTS,
    "required": st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
}  # fmt: skip


HOLDING = [
    "properties", "additionalProperties", "patternProperties", "items", "prefixItems", "allOf",
    "anyOf", "oneOf", "not", "if", "then", "contains", "propertyNames", "dependentRequired",
]  # fmt: skip
USUAL = ["type", "properties", "required", "additionalProperties", "items", "anyOf"]
"""What is drawn more often, or hardly two schemas would have to do with each other."""
REFERENCES = [{"$ref": "#/$defs/n"}, {"$ref": "#/$defs/m"}, {"$ref": "#"}]


@st.composite
def schemas(draw: st.DrawFn, depth: int = 2, *, referring: bool = False) -> Any:
    """A schema of a few keywords, with schemas in it."""
    if depth < 2 and referring and draw(st.integers(0, 2)) == 0:
        return draw(st.sampled_from(REFERENCES))
    if depth < 2 and draw(st.integers(0, 7)) == 0:
        return draw(st.booleans())
    names = [*KEYWORDS, *USUAL, *USUAL, *(HOLDING if depth else ())]
    found: dict[str, Any] = {}
    for keyword in draw(st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True)):
        if keyword in KEYWORDS:
            found[keyword] = draw(KEYWORDS[keyword])
        elif depth:
            found[keyword] = draw(held(keyword, schemas(depth - 1, referring=referring)))
    return found


def held(keyword: str, inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What a keyword holds whose schemas are ``inner``."""
    if keyword in {"allOf", "anyOf", "oneOf", "prefixItems"}:
        return st.lists(inner, min_size=1, max_size=3)
    if keyword == "properties":
        return st.dictionaries(st.sampled_from(NAMES), inner, max_size=2)
    if keyword == "patternProperties":
        return st.dictionaries(st.sampled_from(["^a", "x"]), inner, min_size=1, max_size=1)
    return st.just({"a": ["b"]}) if keyword == "dependentRequired" else inner


SCHEMAS = schemas()
RECURSIVE = st.builds(
    lambda top, n, m: {**top, "$defs": {"n": n, "m": m}},
    *[schemas(referring=True).filter(lambda one: isinstance(one, dict))] * 3,
)


@st.composite
def loosened(draw: st.DrawFn, schema: Any) -> Any:
    """A schema that is like another, but for a keyword here and there."""
    if not isinstance(schema, dict):
        return schema
    found: dict[str, Any] = {}
    for keyword, value in schema.items():
        choice = draw(st.integers(0, 9))
        if choice == 0 and keyword != "$defs":
            continue
        if choice == 1 and keyword in KEYWORDS:
            found[keyword] = draw(KEYWORDS[keyword])
        elif keyword in {"properties", "$defs", "patternProperties"}:
            found[keyword] = {name: draw(loosened(one)) for name, one in value.items()}
        elif keyword in {"allOf", "anyOf", "oneOf", "prefixItems"}:
            found[keyword] = [draw(loosened(one)) for one in value]
        elif keyword in {"items", "additionalProperties", "not", "propertyNames"}:
            found[keyword] = draw(loosened(value))
        else:
            found[keyword] = value
    return found
