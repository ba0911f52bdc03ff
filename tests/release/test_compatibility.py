"""What is said to fit does fit: jsonschema is the judge of every value."""

import copy
import time
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from app.catalog.json_schema import require_schema
from app.release.compatibility import Kind, unfit
from tests.release.schemas import RECURSIVE, SCHEMAS, WORLD, loosened


def refuted(given_: Any, wanted: Any) -> list[Any]:
    """Every value of the small world that the first lets through and the second does not."""
    first, second = Draft202012Validator(given_), Draft202012Validator(wanted)
    return [value for value in WORLD if first.is_valid(value) and not second.is_valid(value)]


def kept(schema: dict[str, Any]) -> bool:
    try:
        require_schema(schema)
    except ValueError:
        return False
    return True


PAIRS = st.one_of(
    st.tuples(SCHEMAS, SCHEMAS),
    SCHEMAS.flatmap(lambda one: st.tuples(st.just(one), loosened(one))),
    SCHEMAS.flatmap(lambda one: st.tuples(loosened(one), st.just(one))),
)
RECURSIVE_PAIRS = st.one_of(
    st.tuples(RECURSIVE, RECURSIVE),
    RECURSIVE.flatmap(lambda one: st.tuples(st.just(one), loosened(one))),
)


@settings(max_examples=200, deadline=None)
@given(PAIRS)
def test_what_fits_lets_nothing_through_that_is_not_accepted(pair: tuple[Any, Any]) -> None:
    first, second = pair
    assume(kept(first) and kept(second))

    if not unfit(first, second):
        assert refuted(first, second) == []


@settings(max_examples=100, deadline=None)
@given(RECURSIVE_PAIRS)
def test_nor_where_schemas_refer_to_themselves(pair: tuple[Any, Any]) -> None:
    first, second = pair
    assume(kept(first) and kept(second))

    if not unfit(first, second):
        assert refuted(first, second) == []


@settings(max_examples=60, deadline=None)
@given(SCHEMAS)
def test_a_schema_never_contradicts_itself(schema: Any) -> None:
    again = {**copy.deepcopy(schema), "title": "the same"}

    assert [one for one in unfit(schema, again) if one.kind is not Kind.UNDECIDED] == []


def an(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object", "properties": properties, "required": list(properties),
        "additionalProperties": False,
    }  # fmt: skip


NUMBER, WORD = {"type": "number"}, {"type": "string"}
TREE = {
    "$ref": "#/$defs/node",
    "$defs": {"node": an(value={"type": "integer"}, kids={"type": "array",
                                                          "items": {"$ref": "#/$defs/node"}})},
}  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        ({"type": "integer"}, NUMBER),
        ({"enum": [1, 2]}, {"type": "integer", "maximum": 2}),
        ({"type": "integer", "minimum": 1, "maximum": 3}, {"enum": [1, 2, 3, 4]}),
        ({"type": "integer", "exclusiveMinimum": 0}, {"minimum": 1}),
        (an(a=NUMBER, b=WORD), {"type": "object", "required": ["a"], "properties": {"a": NUMBER}}),
        ({"type": ["number", "null"]}, {"anyOf": [NUMBER, {"type": "null"}]}),
        ({"anyOf": [NUMBER, WORD]}, {"type": ["string", "number", "boolean"]}),
        ({"type": "boolean"}, {"enum": [True, False, None]}),
        ({"allOf": [{"minimum": 0}, {"maximum": 1}], "type": "number"}, {"minimum": -1}),
        (an(kind={"const": "a"}), {"oneOf": [an(kind={"const": "a"}), an(kind={"const": "b"})]}),
        ({"type": "array", "prefixItems": [NUMBER], "items": False},
         {"type": "array", "items": NUMBER, "maxItems": 1}),
        ({**WORD, "pattern": "^a", "maxLength": 3}, {"pattern": "^a", "maxLength": 4}),
        (TREE, {"type": "object", "properties": {
            "value": NUMBER, "kids": {"type": "array", "items": {"$ref": "#"}}}}),
        (NUMBER, {"not": WORD}),
    ],
)  # fmt: skip
def test_it_sees_that_these_fit(sent: Any, taken: Any) -> None:
    assert [one.shown() for one in unfit(sent, taken)] == []
    assert refuted(sent, taken) == []


@pytest.mark.parametrize(
    ("sent", "taken", "path", "kind"),
    [
        (an(a={"type": ["number", "null"]}), an(a=NUMBER), "$.a", Kind.SCHEMA),
        (an(a={**NUMBER, "maximum": 2}), an(a={**NUMBER, "exclusiveMaximum": 2}), "$.a",
         Kind.SCHEMA),
        (an(b=NUMBER), {"required": ["a"]}, "$.a", Kind.SCHEMA),
        ({"type": "object"}, {"properties": {"a.b": NUMBER}}, '$["a.b"]', Kind.SCHEMA),
        (an(a={"type": "array", "items": an(b=WORD)}),
         an(a={"type": "array", "items": an(b={**WORD, "maxLength": 3})}), "$.a[*].b", Kind.SCHEMA),
        (an(a={**WORD, "pattern": "^a"}), an(a={**WORD, "pattern": "^b"}), "$.a", Kind.UNDECIDED),
        (NUMBER, {"anyOf": [{"minimum": 0}, {"maximum": 0}]}, "$", Kind.UNDECIDED),
        (WORD, {"if": {"minLength": 2}, "then": {"maxLength": 3}}, "$", Kind.UNDECIDED),
        ({"enum": [1, "x"]}, NUMBER, "$", Kind.SCHEMA),
    ],
)  # fmt: skip
def test_it_says_where_these_do_not(sent: Any, taken: Any, path: str, kind: Kind) -> None:
    found = unfit(sent, taken)

    assert [(one.path, one.kind) for one in found] == [(path, kind)]


def test_a_schema_that_stands_for_millions_of_cases_ends_undecided() -> None:
    doubling = {
        "$ref": "#/$defs/d0",
        "$defs": {
            **{f"d{i}": {"anyOf": [{"$ref": f"#/$defs/d{i + 1}", "minLength": 1},
                                   {"$ref": f"#/$defs/d{i + 1}", "minLength": 2}]}
               for i in range(60)},
            "d60": WORD,
        },
    }  # fmt: skip
    require_schema(doubling)
    started = time.monotonic()

    for pair in ((doubling, {"maxLength": 3}), (WORD, doubling), ({"enum": ["a"]}, doubling)):
        found = unfit(*pair)
        assert [one.kind for one in found] == [Kind.UNDECIDED]
    assert time.monotonic() - started < 15
