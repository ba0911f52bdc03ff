"""What is kept as a schema means what the draft says, and stays within bounds."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from app.catalog import Contract, Signature
from app.catalog.json_schema import MAX_BYTES, key_of, require_schema
from app.catalog.neighbours import cycle_through
from tests.release.schemas import PLAIN, RECURSIVE

INPUTS = {"inputs": [{"name": "x"}], "events_per_minute": 1, "latency_ms": 1}


def nested(depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "number"}
    for _ in range(depth):
        found = {"items": found}
    return found


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "int"}, "one or more of"),
        ({"minimum": "0"}, "a number"),
        ({"minLength": -1}, "whole number"),
        ({"multipleOf": 0}, "above 0"),
        ({"enum": []}, "list of values"),
        ({"required": ["a", "a"]}, "each once"),
        ({"properties": {"a": 1}}, "#/properties/a: a schema is an object"),
        ({"anyOf": []}, "a list of schemas"),
        ({"nullable": True}, "not a keyword of the subset"),
        ({"$id": "https://example.com/s"}, "not a keyword"),
        ({"$dynamicRef": "#n"}, "not a keyword"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "$schema is"),
        ({"$ref": "https://example.com/s.json"}, "nothing outside of the schema"),
        ({"$ref": "file:///etc/passwd"}, "nothing outside of the schema"),
        ({"$ref": "#/properties/a"}, "nothing outside of the schema"),
        ({"$ref": "#/$defs/gone", "$defs": {}}, "there is no"),
        ({"items": {"$defs": {}}}, "at the top"),
        ({"$ref": "#"}, "without a step"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]},
                                         "b": {"not": {"$ref": "#/$defs/a"}}}}, "without a step"),
        (nested(25), "deep"),
        ({"description": "x" * MAX_BYTES}, "at most"),
    ],
)  # fmt: skip
def test_what_leaves_the_subset_is_refused_where_it_stands(schema: Any, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as refusal:
        require_schema(schema)

    assert said in str(refusal.value)
    for field in ("input_schema", "output_schema"):
        with pytest.raises(ValidationError):
            Contract.model_validate({**INPUTS, field: schema})
        with pytest.raises(ValidationError):
            Signature.model_validate({"inputs": [{"name": "x"}], field: schema})


def test_notes_and_recursion_into_the_value_are_fine() -> None:
    require_schema(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Orders", "x-owner": {"team": ["energy"]},
            "$ref": "#/$defs/node",
            "$defs": {"node": {"properties": {"kids": {"items": {"$ref": "#/$defs/node"}}}}},
        }
    )  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(RECURSIVE)
def test_what_is_kept_is_a_schema_to_others_too(schema: Any) -> None:
    try:
        require_schema(schema)
    except ValueError:
        return
    Draft202012Validator.check_schema(schema)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PLAIN), st.sampled_from(PLAIN))
def test_values_are_equal_as_the_draft_has_it(one: Any, other: Any) -> None:
    alike = Draft202012Validator({"const": one}).is_valid(other)

    assert (key_of(one) == key_of(other)) is alike
    assert (key_of([one]) == key_of([other])) is alike


@pytest.mark.parametrize("path", ["x", "$x", "$.", "$..x", "$.a[", "$.a[**]", "", "$" * 600])
def test_a_place_is_a_path(path: str) -> None:
    with pytest.raises(ValidationError):
        Contract.model_validate({**INPUTS, "data_classes": {path: "personal"}})


def test_a_neighbour_is_named_once() -> None:
    with pytest.raises(ValidationError):
        Contract.model_validate({**INPUTS, "upstream": ["a", "a"]})


EDGES = st.sets(
    st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")).filter(lambda e: e[0] != e[1])
)


@settings(max_examples=200, deadline=None)
@given(EDGES)
def test_a_circle_is_a_shortest_way_back(edges: set[tuple[str, str]]) -> None:
    said = {edge: {edge[0]} for edge in edges}
    reached, steps = {"a"}, 0
    while steps < 5:
        steps += 1
        reached = {target for source, target in edges if source in reached}
        if "a" in reached:
            break
    length = steps if "a" in reached else None

    found = cycle_through("a", said)

    if length is None:
        assert found is None
    else:
        assert found is not None
        assert (found[0], found[-1], len(found)) == ("a", "a", length + 1)
        assert set(pairwise(found)) <= edges
