"""What answers say about an endpoint: the judgement alone."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.release.contract_cases import ContractCase, Tolerance, at, differences, told_apart
from app.release.integration import (
    Loaded,
    Protocol,
    Reply,
    Trial,
    Unreadable,
    judge,
    quantile,
    read,
    report,
)
from app.release.integration_schemas import IntegrationIn
from app.release.open_inference import NotTensors, model_path, outputs, request
from app.release.output_schema import breaches

SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=3)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)
EXACT = Tolerance()


def places(document: Any, here: str = "") -> list[tuple[str, Any]]:
    found = [(here, document)]
    if isinstance(document, dict):
        for name, inner in document.items():
            found += places(inner, f"{here}/{name.replace('~', '~0').replace('/', '~1')}")
    if isinstance(document, list):
        for number, inner in enumerate(document):
            found += places(inner, f"{here}/{number}")
    return found


@given(DOCUMENTS)
def test_a_pointer_finds_what_stands_there(document: Any) -> None:
    for pointer, value in places(document):
        assert at(document, pointer) is value


@given(DOCUMENTS)
def test_nothing_differs_from_itself(document: Any) -> None:
    assert differences(document, document, EXACT) == []


@given(DOCUMENTS, DOCUMENTS)
def test_what_is_the_same_as_json_and_only_that_does_not_differ(one: Any, other: Any) -> None:
    def plain(value: Any) -> str:
        # As JSON has it, 1 and 1.0 are one number, and true is none.
        return json.dumps(value, sort_keys=True).replace(".0", "").replace("-0", "0")

    if not differences(one, other, EXACT):
        assert plain(one) == plain(other)


@given(st.floats(-1e6, 1e6), st.floats(0, 10), st.floats(0, 1), st.floats(-1, 1))
def test_a_number_is_near_enough_by_either_measure(
    wanted: float, absolute: float, relative: float, off: float
) -> None:
    tolerance = Tolerance(absolute=absolute, relative=relative)
    room = max(absolute, relative * abs(wanted))

    if room > 1e-6:
        assert differences(wanted, wanted + 0.99 * off * room, tolerance) == []
    assert differences(wanted, wanted + 1.01 * room + 1e-3, tolerance) != []
    assert differences(wanted, True, tolerance) != []


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_a_measured_value_that_so_many_do_not_exceed(
    values: list[float], share: float
) -> None:
    found = quantile(sorted(values), share)

    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert quantile([], share) is None


@pytest.mark.parametrize(
    "body", [b"NaN", b'{"a": Infinity}', b"-Infinity", b"", b"{", b"\xff", b"9" * 5000]
)
def test_what_is_no_json_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read(body)
    with pytest.raises(Unreadable, match="too deeply"):
        read(b"[" * 100_000)


def test_a_number_of_hundreds_of_digits_is_only_another_number() -> None:
    huge = int("9" * 400)

    assert differences(0.5, huge, Tolerance(absolute=1.0))
    assert differences(huge, 0.5, Tolerance(relative=0.5))
    assert not differences(huge, huge, Tolerance())


def test_a_schema_is_checked_within_a_budget_and_fetches_nothing() -> None:
    chain: dict[str, Any] = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2}
                             for n in range(40)}  # fmt: skip
    bomb = {"$defs": {**chain, "a40": {}}, "$ref": "#/$defs/a0"}

    assert breaches({"type": "object"}, {}) == []
    assert breaches({"type": "string"}, 1) == ["$: 1 is not of type 'string'"]
    assert breaches(bomb, {}) == ["the contract's output schema takes too long to check"]
    assert breaches({"$ref": "#"}, {}) != []
    assert "not usable" in breaches({"$ref": "http://127.0.0.1:9/schema"}, {})[0]
    assert "not usable" in breaches({"type": "nonsense"}, {})[0]


def test_named_inputs_become_tensors_as_the_metadata_has_them() -> None:
    known = {"x": {"name": "x", "datatype": "FP32", "shape": [-1, 2]}}

    def sent(value: Any) -> tuple[Any, ...]:
        (tensor,) = request({"x": value}, known)["inputs"]
        return tensor["shape"], tensor["datatype"], tensor["data"]

    assert sent([1, 2, 3, 4]) == ([2, 2], "FP32", [1, 2, 3, 4])
    assert sent([[1, 2]]) == ([1, 2], "FP32", [1, 2])
    assert sent([1, 2, 3]) == ([3], "FP32", [1, 2, 3])
    assert request({"n": 3, "b": [True], "s": "a", "f": [1, 2.5]}, {})["inputs"] == [
        {"name": "n", "shape": [1], "datatype": "INT64", "data": [3]},
        {"name": "b", "shape": [1], "datatype": "BOOL", "data": [True]},
        {"name": "s", "shape": [1], "datatype": "BYTES", "data": ["a"]},
        {"name": "f", "shape": [2], "datatype": "FP64", "data": [1, 2.5]},
    ]
    assert request([1], {}) == [1]
    assert model_path("a/b", "1") == "/v2/models/a%2Fb/versions/1"


@pytest.mark.parametrize(
    "answer",
    [
        [], {}, {"outputs": []}, {"outputs": [{}]}, {"outputs": {"name": "x"}},
        {"outputs": [{"name": "y", "shape": [2], "datatype": "FP64", "data": [1.0]}]},
        {"outputs": [{"name": "y", "shape": [1], "datatype": "FLOAT", "data": [1.0]}]},
        {"outputs": [{"name": "y", "shape": [1], "datatype": "FP64", "data": ["1"]}]},
        {"outputs": [{"name": "y", "shape": [1], "datatype": "INT64", "data": [True]}]},
        {"outputs": [{"name": "y", "shape": [-1], "datatype": "INT64", "data": []}]},
        {"outputs": [{"name": "y", "shape": [1], "datatype": "FP64"}]},
    ],
)  # fmt: skip
def test_what_is_no_inference_response_is_refused(answer: Any) -> None:
    with pytest.raises(NotTensors):
        outputs(answer)


def test_outputs_are_read_by_name() -> None:
    tensors = [
        {"name": "one", "shape": [1, 1], "datatype": "FP64", "data": [[0.5]]},
        {"name": "two", "shape": [2], "datatype": "INT8", "data": [1, 2]},
    ]

    assert outputs({"outputs": tensors}) == {"one": 0.5, "two": [1, 2]}


def test_slow_failures_count_as_slow_and_a_load_may_fail_by_itself() -> None:
    replies = [Reply(10.0, 200)] * 98 + [Reply(900.0, failure="no answer within 900 ms")] * 2
    tested = [Trial("a", []), Trial("b", ["answered 500"])]

    facts = report(
        tested, Loaded(100, 4, 2.0, replies), cases=2, cold_start_ms=1.0,
        protocol=Protocol.JSON, about={"run": "r"},
    )  # fmt: skip

    assert (facts["failures"], facts["error_share"], facts["per_second"]) == (2, 0.02, 49)
    assert (facts["p50_ms"], facts["p99_ms"]) == (10.0, 900.0)
    assert facts["failed"][1] == {
        "case": "load", "reasons": ["2 of 100 calls: no answer within 900 ms"],
    }  # fmt: skip


def test_a_missing_value_and_a_wrong_one_are_told_apart() -> None:
    case = ContractCase.model_validate(
        {"name": "c", "input": 1, "expect": [{"pointer": "/a", "value": 1}, {"pointer": "/b/0",
         "value": 2}]}
    )  # fmt: skip

    said = judge(case, Reply(1.0, 200, b'{"a": 3, "b": []}'), protocol=Protocol.JSON)

    assert said.reasons == ["/a: 3, expected 1", "/b/0: missing"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"cases": []},
        {"cases": [{"name": "a", "input": 1}] * 2},
        {"cases": [{"name": "a", "input": 1, "bad": True}]},
        {"cases": [{"name": "a", "input": 1, "bad": True, "expect": [{"value": 1}]}]},
        {"cases": [{"name": "a", "input": 1, "expect": [{"pointer": "a", "value": 1}]}]},
        {"load": {"requests": 1001}},
        {"load": {"concurrency": 17}},
        {"remote_model": "m"},
        {"headers": {"Authorization": "Bearer x"}},
    ],
)
def test_what_cannot_be_tried_is_not_taken(wrong: dict[str, Any]) -> None:
    good = {"endpoint": "https://a.example", "cases": [{"name": "a", "input": 1}]}
    IntegrationIn.model_validate(good)

    with pytest.raises(ValidationError):
        IntegrationIn.model_validate({**good, **wrong})


def expecting(document: Any, **tolerance: float) -> ContractCase:
    expect = [{"pointer": "", "value": document}]
    return ContractCase.model_validate(
        {"name": "n", "input": "asked", "expect": expect, "tolerance": tolerance}
    )


@given(st.lists(DOCUMENTS, min_size=1, max_size=4), st.sampled_from([0.0, 0.5, 20.0]))
def test_cases_that_are_told_apart_are_passed_by_no_one_of_their_answers(
    documents: list[Any], near: float
) -> None:
    cases = [expecting(document, absolute=near) for document in documents]
    passing = [
        one
        for one in documents
        if not any(differences(other, one, Tolerance(absolute=near)) for other in documents)
    ]
    if told_apart(cases):
        assert not passing
    elif not near:  # exactly what one expects is then what all expect
        assert passing


def test_a_tolerance_in_which_everything_lies_tells_nothing_apart() -> None:
    low, high = 0.1, 0.9
    parts = ContractCase.model_validate(
        {"name": "n", "input": {}, "expect": [{"pointer": "/score", "value": high}]}
    )
    assert told_apart([expecting({"score": low}), parts])
    assert told_apart([expecting({"score": low}, absolute=0.3), parts])
    assert not told_apart([expecting({"score": low}, absolute=1e12), parts])
    assert not told_apart([expecting({"score": low}, relative=8.0), parts])
    assert not told_apart([expecting({"score": low}), expecting({"score": low})])
    assert not told_apart([parts])
    assert not told_apart([])
    assert told_apart([expecting(["a"]), expecting(["a", "b"])])
    assert told_apart(
        [
            expecting({"a/b": 1}),
            ContractCase.model_validate(
                {"name": "n", "input": {}, "expect": [{"pointer": "/a~1b", "value": 2}]}
            ),
        ]
    )
    assert told_apart([expecting(10**400), expecting(2.5)])


def test_what_was_sent_and_comes_back_tells_nothing_apart() -> None:
    def echoing(x: float, score: float) -> ContractCase:
        expect = [{"pointer": "/score", "value": score}, {"pointer": "/id", "value": x}]
        return ContractCase.model_validate({"name": "n", "input": {"x": x}, "expect": expect})

    assert not told_apart([echoing(1.0, 0.5), echoing(2.0, 0.5)])
    assert told_apart([echoing(1.0, 0.5), echoing(2.0, 0.6)])


def test_an_answer_that_happens_to_be_among_what_was_sent_is_one() -> None:
    def ruled(x: int, f: int) -> ContractCase:
        expect = [{"pointer": "/label", "value": 1 - f}]
        return ContractCase.model_validate(
            {"name": "n", "input": {"x": x, "f": f}, "expect": expect}
        )

    assert told_apart([ruled(0, 1), ruled(0, 0), ruled(1, 0), ruled(1, 1)])
