from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.catalog import Contract, DataClass, Signature, Variable, VariableType
from app.release.contract import mismatches

VARIABLES = st.builds(
    Variable,
    name=st.sampled_from("abcde"),
    type=st.sampled_from(VariableType),
    unit=st.sampled_from([None, "MW", "AUD"]),
)
SETS = st.lists(VARIABLES, min_size=1, max_size=5, unique_by=lambda variable: variable.name)


def point(inputs: list[Variable], **more: Any) -> Contract:
    return Contract.model_validate(
        {"inputs": [one.model_dump() for one in inputs], "events_per_minute": 1.0,
         "latency_ms": 50.0, **more}
    )  # fmt: skip


def version(inputs: list[Variable], **more: Any) -> Signature:
    return Signature.model_validate({"inputs": [one.model_dump() for one in inputs], **more})


def number(name: str, unit: str | None = None) -> Variable:
    return Variable(name=name, unit=unit)


def fits(one: Variable, given_: Variable | None) -> bool:
    if given_ is None or given_.type != one.type:
        return False
    return None in {one.unit, given_.unit} or one.unit == given_.unit


X = [number("x")]
OBJECT = {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}


@settings(max_examples=300, deadline=None)
@given(SETS, SETS)
def test_exactly_the_variables_that_do_not_fit_are_named_in_order(
    wanted: list[Variable], supplied: list[Variable]
) -> None:
    offered = {variable.name: variable for variable in supplied}

    found = mismatches(point(supplied), version(wanted))

    expected = [f"$.{one.name}" for one in wanted if not fits(one, offered.get(one.name))]
    assert [item["path"] for item in found] == expected
    assert all(item["problem"] for item in found)


@settings(max_examples=100, deadline=None)
@given(SETS, SETS)
def test_a_contract_may_supply_more_than_is_wanted(
    wanted: list[Variable], more: list[Variable]
) -> None:
    names = {variable.name for variable in wanted}
    supplied = [*wanted, *(one for one in more if one.name not in names)]

    assert mismatches(point(supplied), version(wanted)) == []


def test_each_kind_of_mismatch_is_said_in_words() -> None:
    wanted = [number("gone"), number("typed"), number("measured", "MW"), number("fine", "MW")]
    supplied = [
        Variable(name="typed", type=VariableType.CATEGORY),
        number("measured", "kW"),
        number("fine", "MW"),
    ]

    found = mismatches(point(supplied), version(wanted))

    assert [(item["path"], item["kind"], item["problem"]) for item in found] == [
        ("$.gone", "variable", "not supplied"),
        ("$.typed", "variable", "supplied as category, wanted as number"),
        ("$.measured", "unit", "supplied in kW, wanted in MW"),
    ]
    assert (found[2]["wanted"], found[2]["given"], found[2]["side"]) == ("MW", "kW", "input")


def test_a_unit_that_is_not_said_contradicts_nothing() -> None:
    supplied = [number("a"), number("b", "MW")]

    assert mismatches(point(supplied), version([number("a", "MW"), number("b")])) == []


def test_a_schema_on_one_side_meets_what_follows_from_the_other() -> None:
    nullable = {**OBJECT, "properties": {"x": {"type": ["number", "null"]}}}
    narrow = {**OBJECT, "properties": {"x": {"type": "number", "minimum": 0}}}

    assert mismatches(point(X, input_schema=OBJECT), version(X)) == []
    assert mismatches(point(X), version(X, input_schema=OBJECT)) == []
    [null] = mismatches(point(X, input_schema=nullable), version(X))
    [low] = mismatches(point(X), version(X, input_schema=narrow))
    assert (null["path"], null["problem"], null["given"]) == ("$.x", "may be null", "null")
    assert (low["path"], low["wanted"], low["given"]) == ("$.x", 0, None)


def test_the_point_must_take_every_answer() -> None:
    takes = {"type": "number", "maximum": 1}

    assert mismatches(point(X, output_schema=takes), version(X)) == []
    [found] = mismatches(point(X, output_schema=takes), version(X, output="number"))
    assert (found["side"], found["path"], found["problem"]) == (
        "output", "$", "goes beyond `maximum`",
    )  # fmt: skip


def test_a_version_receives_only_the_data_it_may() -> None:
    sent = point(X, data_classes={"$.x": "personal", "$.y": "internal"})
    allowed = {"data_classes_allowed": ["public", "personal", "internal"]}

    [silent] = mismatches(sent, version(X))
    [strict] = mismatches(sent, version(X, data_classes_allowed=["personal"]))
    assert (silent["path"], silent["kind"], silent["given"]) == ("$.x", "data_class", "personal")
    assert (strict["path"], strict["given"]) == ("$.y", "internal")
    assert mismatches(sent, version(X, **allowed)) == []
    assert version(X, **allowed).data_classes_allowed == [
        DataClass.PUBLIC, DataClass.INTERNAL, DataClass.PERSONAL,
    ]  # fmt: skip


def test_a_version_answers_within_the_time_there_is() -> None:
    assert mismatches(point(X), version(X, latency_ms=50)) == []
    [late] = mismatches(point(X), version(X, latency_ms=50.5))
    assert (late["side"], late["kind"], late["wanted"], late["given"]) == (
        "terms", "latency", 50, 50.5,
    )  # fmt: skip


def test_what_was_written_before_there_were_schemas_reads_as_before() -> None:
    old = Contract.model_validate(
        {"inputs": [{"name": "x", "type": "number", "unit": None, "description": None}],
         "events_per_minute": 1.0, "latency_ms": 50.0}
    )  # fmt: skip

    assert mismatches(old, version(X)) == []
    assert old.upstream == old.downstream == []
