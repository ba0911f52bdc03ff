"""Conditions mean here what they mean to flagd."""

import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from json_logic import jsonLogic
from openfeature.contrib.tools.flagd.core.targeting.targeting import OPERATORS

from app.routing.conditions import BadConditionError, compile_condition, truth

NAMES = st.sampled_from(["region", "age", "vip", "app", "customer.tier", "tags", "nobody"])
TEXTS = st.sampled_from(["", "eu", "eu-west", "us", "1.2.3", "v1.3", "2", "1.0.0-rc.1", "10", "é"])
ORDERS = st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "^", "~"])
NUMBERS = st.integers(-20, 20) | st.sampled_from([0.5, 1.5, 17.999])
SCALARS = TEXTS | NUMBERS | st.booleans() | st.none()
CONTEXTS = st.fixed_dictionaries(
    {"targetingKey": TEXTS},
    optional={
        "region": SCALARS,
        "age": SCALARS,
        "vip": SCALARS,
        "app": SCALARS,
        "customer": st.fixed_dictionaries({}, optional={"tier": SCALARS}),
        "tags": st.lists(TEXTS | NUMBERS, max_size=3),
    },
)
ANY = st.recursive(
    SCALARS | st.floats(),
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=5,
)
VARS = NAMES.map(lambda name: {"var": name}) | st.tuples(NAMES, TEXTS).map(
    lambda pair: {"var": [pair[0], pair[1]]}
)
VALUES = VARS | SCALARS


def _of(name: str, *terms: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(*terms).map(lambda drawn: {name: list(drawn)})


TESTS = st.one_of(
    *(_of(name, VALUES, VALUES) for name in ("==", "!=", "===", "!==", "<", "<=", ">", ">=")),
    *(_of(name, VALUES, VALUES, VALUES) for name in ("<", "<=", ">", ">=")),
    _of("in", VARS | TEXTS, st.lists(TEXTS | NUMBERS, max_size=4)),
    _of("in", TEXTS, VARS),
    _of("starts_with", VARS | TEXTS, TEXTS),
    _of("ends_with", VARS | TEXTS, TEXTS),
    _of("sem_ver", VARS | TEXTS, ORDERS, TEXTS),
)
LOGIC = st.recursive(
    TESTS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda many: {"and": many}),
        st.lists(inner, min_size=1, max_size=3).map(lambda many: {"or": many}),
        inner.map(lambda one: {"!": [one]}),
        inner.map(lambda one: {"!!": one}),
    ),
    max_leaves=6,
)


def disagreed(name: str, held: list[Any]) -> bool:
    """Say whether flagd's own implementations disagree about an operation on values.

    They do about a string with null or a boolean, null with a number where they are asked to be
    equal, a list with anything, null as an upper end, an empty string with a number, and a version
    that is none.
    """
    if name == "sem_ver":
        return not isinstance(held[0], str)
    if name not in {"==", "!=", "===", "!==", "<", "<=", ">", ">=", "in"}:
        return False
    flat = [*held[:-1], *(held[-1] if isinstance(held[-1], list) else held[-1:])]
    kinds = {type(one) for one in flat}
    numbers, nothing = bool(kinds & {int, float}), type(None)
    return any(
        (
            any(isinstance(one, list) for one in (held[:1] if name == "in" else held)),
            held[2:] == [None],
            "" in flat and numbers,
            str in kinds and bool(kinds & {bool, nothing}),
            nothing in kinds and (numbers or bool in kinds) and name in {"==", "!="},
            bool in kinds and numbers and name in {"===", "!==", "in"},
            name == "in" and isinstance(held[-1], str) and not isinstance(held[0], str),
        )
    )


def mixes(logic: Any, context: dict[str, Any]) -> bool:
    """Say whether some term of a condition is one that implementations disagree about."""
    if isinstance(logic, list):
        return any(mixes(one, context) for one in logic)
    if not isinstance(logic, dict) or "var" in logic:
        return False
    ((name, given),) = logic.items()
    terms = given if isinstance(given, list) else [given]
    held = [jsonLogic(one, context, OPERATORS) for one in terms]
    return disagreed(name, held) or mixes(given, context)


@settings(max_examples=2000, deadline=None)
@given(LOGIC, CONTEXTS)
@example({"<": [{"var": "age"}, 18]}, {"targetingKey": "a"})
@example({"<": [1, {"var": "age"}, 3]}, {"targetingKey": "a", "age": 2})
@example({"===": [{"var": "tags.0"}, "eu"]}, {"targetingKey": "a", "tags": ["eu"]})
@example({"sem_ver": [{"var": "app"}, "^", "v1.2"]}, {"targetingKey": "a", "app": "1.9"})
def test_a_condition_is_what_flagd_says_it_is(logic: Any, context: dict[str, Any]) -> None:
    if mixes(logic, context):
        return

    expected = truth(jsonLogic(logic, context, OPERATORS))

    assert compile_condition(logic)(context) is expected


@settings(max_examples=500, deadline=None)
@given(LOGIC, st.dictionaries(st.sampled_from(["region", "age", "tags", "app", "customer"]), ANY))
def test_no_context_makes_a_condition_fail(logic: Any, context: dict[str, Any]) -> None:
    assert compile_condition(logic)(context) in {True, False}


@pytest.mark.parametrize(
    ("logic", "names"),
    [
        ({"fractional": [["a", 1]]}, "when.fractional: no such operation"),
        ({"and": [True, {"+": [1, 2]}]}, "when.and[1].+: no such operation"),
        ({"==": [1]}, "when.==: takes 2 arguments, not 1"),
        ({"==": [1, 2, 3]}, "when.==: takes 2 arguments, not 3"),
        ({"and": []}, "when.and: takes 1 to 50 arguments, not 0"),
        ({"==": [1, 2], "!=": [1, 2]}, "when: an operation is an object with one key"),
        ({}, "when: an operation is an object with one key"),
        ({"!": {"var": "$flagd.timestamp"}}, "when.![0].var: names a value of the context"),
        ({"var": ""}, "when.var: names"),
        ({"var": 1}, "when.var: names"),
        ({"var": []}, "when.var: names"),
        ({"var": ["a", {"var": "b"}]}, "when.var[1]: is a string, a number"),
        ({"sem_ver": ["1", "==", "2"]}, "when.sem_ver[1]: how versions are compared is one of ="),
        ({"or": [{"!": [True]}] * 120}, "when.or: takes 1 to 50"),
        ({"sem_ver": ["1", {"var": "op"}, "2"]}, "when.sem_ver[1]: how versions"),
        ({"sem_ver": ["1", ["="], "2"]}, "when.sem_ver[1]: how versions"),
        ("region == 'vic'", "when: is an operation"),
        ([], "when: is an operation"),
        (True, "when: is an operation"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_with_its_place(logic: Any, names: str) -> None:
    with pytest.raises(BadConditionError) as found:
        compile_condition(logic)
    assert str(found.value).startswith(names)


def test_a_condition_is_bounded() -> None:
    deep: Any = True
    for _ in range(30):
        deep = {"!": [deep]}
    wide = {"and": [{"in": [{"var": "region"}, ["eu"] * 60]}] * 4}
    for logic in (deep, wide):
        with pytest.raises(BadConditionError, match="at most 200 terms, 20 deep"):
            compile_condition(logic)


@pytest.mark.parametrize(
    ("logic", "context", "holds"),
    [
        ({"===": [{"var": "vip"}, 1]}, {"vip": True}, False),
        ({"==": [{"var": "vip"}, 1]}, {"vip": True}, True),
        ({"==": [{"var": "tags"}, "eu"]}, {"tags": ["eu"]}, False),
        ({"in": ["eu", {"var": "tags"}]}, {"tags": ["eu"]}, True),
        ({"<": [{"var": "age"}, 18]}, {}, True),
        ({"<": [{"var": ["age", 99]}, 18]}, {}, False),
        ({"<": [{"var": "age"}, 18]}, {"age": "12"}, True),
        ({"<": [{"var": "age"}, 18]}, {"age": "1_2"}, False),
        ({"sem_ver": [{"var": "app"}, ">=", "2.1"]}, {"app": "2.1.0-rc.1"}, False),
        ({"==": [{"or": [{"var": "region"}, "vic"]}, "vic"]}, {}, True),
        ({"==": [{"and": [True, {"var": "region"}]}, "vic"]}, {"region": "vic"}, True),
        ({"==": [{"var": "age"}, 3]}, {"age": "٣"}, False),
        ({"var": "vip"}, {"vip": []}, False),
        ({"var": "vip"}, {"vip": {}}, True),
    ],
)
def test_values_are_compared_as_javascript_does(
    logic: Any, context: dict[str, Any], holds: Any
) -> None:
    assert compile_condition(logic)(context) is holds


def test_no_context_takes_long_to_evaluate() -> None:
    number = {">": [{"var": "age"}, 18]}
    many = {"and": [{"!": {"in": [1, {"var": "tags"}]}}] * 49}
    contexts = {"age": "1" * 60_000 + "x", "tags": ["x"] * 30_000}

    began = time.process_time()
    for logic in (number, many, {"sem_ver": [{"var": "age"}, ">", "1"]}):
        assert compile_condition(logic)(contexts) in {True, False}

    assert time.process_time() - began < 0.2
