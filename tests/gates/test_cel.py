import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.gates.cel import MAX_LENGTH, BadExpression, compiled, evaluate
from tests.strategies import EXACT_INTEGERS, FLOATS, JSON, TEXTS


def facts(**evidence: Any) -> dict[str, Any]:
    rooms: dict[str, Any] = {name: {} for name in ("case", "version", "point")}
    return {**rooms, "evidence": evidence, "approvals": [], "rejections": []}


@settings(max_examples=150, deadline=None)
@given(JSON)
@example(value=1)
@example(value="true")
@example(value=[True])
@example(value=True)
def test_only_a_typed_true_passes(value: Any) -> None:
    answer = evaluate("evidence.x", facts(x=value))

    assert answer.passed is (value is True)
    assert (answer.error is None) == isinstance(value, bool)


EXPRESSIONS = [
    "evidence.x > 0",
    "evidence.x == evidence.y",
    "evidence.x + evidence.y < 100",
    "evidence.x.y.z",
    "evidence.x[0] == 1",
    "!evidence.x",
    "evidence.x ? true : false",
    "size(evidence.x) == 0",
    "evidence.x.all(item, item > 0)",
    "evidence.x.exists(item, item in evidence.y)",
    "evidence.x.startsWith('a')",
    "evidence.x.matches('(a+)+$')",
    "has(evidence.x.y)",
    "int(evidence.x) / int(evidence.y) > 1",
    "timestamp(evidence.x) < timestamp(evidence.y)",
    "evidence.x in approvals",
]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(EXPRESSIONS), JSON, JSON)
def test_whatever_the_evidence_a_rule_answers_and_never_raises(text: str, x: Any, y: Any) -> None:
    answer = evaluate(text, facts(x=x, y=y))

    assert isinstance(answer.passed, bool)
    assert not (answer.passed and answer.error)


@settings(max_examples=150, deadline=None)
@given(TEXTS | st.text("evidncx.0123+-*/%<>=!&|?:()[]{}'\"\\ \n", max_size=40))
def test_arbitrary_text_is_a_rule_or_denies(text: str) -> None:
    answer = evaluate(text, facts(x=1))

    try:
        compiled(text)
    except BadExpression:
        assert not answer.passed
        assert answer.error


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("evidence.missing", "missing"),
        ("evidence.missing.deep > 1", "missing"),
        ("evidence.missing == true", "missing"),
        ("!evidence.missing", "missing"),
        ("evidence.missing > 1 || evidence.zero > 1", "missing"),
        ("evidence.text > 1", "overload"),
        ("evidence.text + 1 == 2", "overload"),
        ("evidence.none < 1", "overload"),
        ("!evidence.one", "overload"),
        ("1 / evidence.zero == 1", "divi"),
        ("evidence.list[5] == 1", "index"),
        ("evidence.big + evidence.big > 0", "overflow"),
        ("int(evidence.text) > 1", "conver"),
        ("evidence.one", "not bool"),
        ("evidence.one ? true : false", "overload"),
    ],
)
def test_missing_evidence_and_wrong_types_deny_and_say_why(text: str, word: str) -> None:
    known = facts(text="a", none=None, one=1, zero=0, list=[1], big=2**63 - 1)

    answer = evaluate(text, known)

    assert not answer.passed
    assert answer.error
    assert word in answer.error.lower()
    assert "\n" not in answer.error


@pytest.mark.parametrize(
    "text",
    ["", "1", "'true'", "evidence", "[true]", "size(approvals)", "evidence.", "unknown.x", "x -> y",
     "evidence.x =", "f(evidence)", "evidence.all(", "(" * 300 + "true" + ")" * 300, "null",
     " " * MAX_LENGTH + "true"],
    ids=lambda text: text[:14],
)  # fmt: skip
def test_what_is_no_question_of_yes_or_no_is_refused_when_it_is_written(text: str) -> None:
    with pytest.raises(BadExpression):
        compiled(text)
    assert not evaluate(text, facts()).passed


FEW = "[" + ",".join(map(str, range(20))) + "]"


def nested(depth: int, of: str) -> str:
    text = "x0 >= 0"
    for level in range(depth):
        text = f"{of}.all(x{level}, {text})"
    return text


@pytest.mark.parametrize(
    "text",
    [
        nested(6, FEW),
        nested(5, "evidence.xs"),
        "evidence.xs.all(x, evidence.xs.all(y, evidence.xs.all(z, x + y + z >= 0)))",
        "evidence.xs.filter(x, evidence.xs.exists(y, x + y < 0)).size() == 0",
        "evidence.xs.exists_one(x, evidence.xs.exists_one(y, x * y == -1))",
    ],
    ids=lambda text: text[:24],
)
def test_a_runaway_loop_denies_within_50_ms(text: str) -> None:
    known = facts(xs=list(range(2000)))
    compiled(text)
    started = time.process_time()

    answer = evaluate(text, known)

    assert time.process_time() - started < 0.05
    assert not answer.passed
    assert answer.error


def test_a_runaway_loop_that_builds_lists_denies_within_50_ms_too() -> None:
    text = "evidence.xs.map(x, evidence.xs.map(y, [x, y])).size() > 0"
    known = facts(xs=list(range(2000)))
    with pytest.raises(BadExpression):
        compiled(text)
    started = time.process_time()

    answer = evaluate(text, known)

    assert time.process_time() - started < 0.05
    assert not answer.passed


def test_an_honest_loop_over_a_thousand_items_is_answered() -> None:
    known = facts(xs=list(range(1000)))

    assert evaluate("evidence.xs.all(x, x < 1000)", known).passed
    assert evaluate("!evidence.xs.exists(x, x == 1000)", known).passed


@settings(max_examples=150, deadline=None)
@given(EXACT_INTEGERS | FLOATS, EXACT_INTEGERS | FLOATS)
@example(1, 1.0)
@example(2**53 - 1, 2.0**53)
@example(0, -0.0)
def test_integers_and_floats_compare_as_the_numbers_they_are(one: float, two: float) -> None:
    known = facts(a=one, b=two)

    for sign, expected in (("<", one < two), ("==", one == two), (">=", one >= two)):
        answer = evaluate(f"evidence.a {sign} evidence.b", known)
        assert answer.error is None
        assert answer.passed is expected


@pytest.mark.parametrize("number", [2**63, 2**64 - 1])
def test_an_integer_beyond_63_bits_is_still_a_large_number_or_denies(number: int) -> None:
    assert not evaluate("evidence.x < 0", facts(x=number)).passed
    assert not evaluate("evidence.x == -1", facts(x=number)).passed


def test_every_room_of_the_facts_can_be_asked() -> None:
    known = {
        "case": {"tier": "high"},
        "version": {"card": {"summary": "s"}, "signature": {"inputs": [1]}},
        "point": {"latency_ms": 50},
        "evidence": {"integration": {"p99_ms": 12.5}},
        "approvals": [{"person": "p", "roles": ["validator"]}],
    }

    for text in (
        "case.tier == 'high'",
        "version.card.summary != '' && size(version.signature.inputs) > 0",
        "evidence.integration.p99_ms <= point.latency_ms",
        "approvals.exists(a, 'validator' in a.roles)",
        "!approvals.exists(a, 'committee' in a.roles)",
    ):
        assert evaluate(text, known).passed
