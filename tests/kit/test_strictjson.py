import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.kit.refusal import Malformed
from app.kit.strictjson import MAX_DEPTH, loads, loads_flat
from tests.kit.spelling import reference, spelled
from tests.strategies import JSON


@settings(max_examples=300, deadline=None)
@given(JSON, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_every_value_survives_however_it_is_written(
    value: Any,
    escaped: bool,  # noqa: FBT001 - drawn, not called
    indent: int | str | None,
) -> None:
    text = json.dumps(value, ensure_ascii=escaped, indent=indent)

    assert loads(text.encode()) == value
    assert loads_flat(b" \r\n" + text.encode() + b"\t") == value


@settings(max_examples=400, deadline=None)
@given(spelled())
@example(rb'{"a":1,"a":"\"\u003a"}')
@example(rb'{"a":1,"a":"\u0022\u003A"}')
@example(rb'{"a":1,"a":"\"\u003A"}')
@example(rb'{"a":1,"\u0061":2}')
@example(b'{"a"\n:1,"a"\r\n:2}')
@example(rb'{"\"":1,"\u0022":2}')
@example(rb'{"a":[{"b":1,"b":2}]}')
@example(rb'{"a":"\":","a":"\":"}')
@example(rb'[{"a":1},{"a":1}]')
def test_a_key_that_comes_twice_is_refused_however_it_is_spelled(raw: bytes) -> None:
    expected, twice = reference(raw)

    if twice:
        with pytest.raises(Malformed) as refusal:
            loads(raw)
        assert refusal.value.extra["key"] in twice
    else:
        assert loads(raw) == expected


def judged(raw: bytes) -> Any:
    """Parse with both doors; each gives a value or refuses the bytes, and nothing else."""
    found = []
    for parse in (loads, loads_flat):
        try:
            found.append(parse(raw))
        except Malformed as refusal:
            assert refusal.detail.endswith(".")  # noqa: PT017 - both outcomes are legal
            found.append(None)
    return found[0]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_a_value_or_malformed(raw: bytes) -> None:
    judged(raw)


@settings(max_examples=300, deadline=None)
@given(st.text('{}[]",:\\u0032d8e+-.1 \ntrufalsn\x00é', max_size=40))
def test_near_misses_of_json_are_a_value_or_malformed(text: str) -> None:
    judged(text.encode())


@settings(max_examples=300, deadline=None)
@given(JSON, st.data())
def test_a_broken_document_is_a_value_or_malformed(value: Any, data: st.DataObject) -> None:
    raw = bytearray(json.dumps(value).encode())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255))

    judged(bytes(raw))
    judged(bytes(raw[:at]))


@pytest.mark.parametrize("wrap", [b"%b", b"[%b]", b'{"a":%b}', b'[[{"a":[1,%b]}]]', b" %b\n"])
@pytest.mark.parametrize(
    "number",
    [
        b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e999", b"1E+400", b"1.5e0400",
        b"9" * 400, b"-" + b"9" * 5000, b"9" * 250 + b"e99", b"9" * 299 + b".5e20", b"1e9999999",
    ],
    ids=lambda raw: raw[:12].decode(),
)  # fmt: skip
def test_a_number_that_is_none_is_malformed(number: bytes, wrap: bytes) -> None:
    for parse in (loads, loads_flat):
        with pytest.raises(Malformed):
            parse(wrap % number)


@settings(max_examples=200, deadline=None)
@given(st.integers(-(10**310), 10**310))
@example(2**64)
@example(-(2**63) - 1)
def test_a_long_integer_is_exact_the_nearest_number_or_malformed(number: int) -> None:
    try:
        found = loads(str(number).encode())
    except Malformed:
        assert not -(2**63) <= number < 2**64
        return
    assert found == (number if -(2**63) <= number < 2**64 else float(number))


@pytest.mark.parametrize(
    "raw",
    [
        rb'"\u0000"', rb'{"\u0000":1}', rb'{"a":{"b\u0000c":1}}', rb'["a",["\u0000"]]',
        b'"\0"', b"\0", b'{"a":1}\0', b"[1,\0 2]",
        rb'"\ud800"', rb'"\udc00\ud800"', rb'{"\ud83d":1}', rb'["\ud83dx"]', rb'"\uD800\u0041"',
        b'"\xed\xa0\x80"', b'"\xff"', b'"\xc0\x80"', b"\xef\xbb\xbf1", b"\xff\xfe1\0",
        b"", b" ", b"{", b"[1,]", b'{"a":1,}', b"{'a':1}", b"01", b"+1", b".5", b"1.", b"1 2",
        b"// a\n1", b"tru", b'"\t"', b'"\\x41"', b"{1:2}", b"[" * 5000 + b"]" * 5000,
    ],
    ids=lambda raw: repr(raw[:20]),
)  # fmt: skip
def test_what_cannot_be_stored_or_is_not_json_is_malformed(raw: bytes) -> None:
    for parse in (loads, loads_flat):
        with pytest.raises(Malformed):
            parse(raw)


def test_a_backslash_before_u0000_is_no_nul() -> None:
    assert loads(rb'"\\u0000"') == r"\u0000"


def test_a_surrogate_pair_is_one_character() -> None:
    assert loads(rb'"\ud83d\ude00"') == "\U0001f600"


SHAPES = {
    "arrays": (b"[", b"1", b"]"),
    "objects": (b'{"a":', b"1", b"}"),
    "spaced objects": (b'{"a" :', b"1", b"}"),
    "both": (b'[{"a":', b"1", b"}]"),
    "an escaped quote inside": (b"[", rb'"\u0022"', b"]"),
    "a repeated key inside": (b"[", b'{"a":1,"a":2}', b"]"),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("depths", [(33, 100, 253), (254, 255, 500), (900, 990, 1024), (99_999,)])
def test_deep_nesting_is_malformed_and_nothing_else(shape: str, depths: tuple[int, ...]) -> None:
    opening, inside, closing = SHAPES[shape]
    for depth in depths:
        raw = opening * depth + inside + closing * depth

        with pytest.raises(Malformed):
            loads(raw)
        judged(raw)


@pytest.mark.parametrize("limit", [0, 1, 5, MAX_DEPTH])
def test_the_depth_limit_is_exact(limit: int) -> None:
    just = b"[" * limit + b"1" + b"]" * limit

    assert loads(just, depth=limit) == json.loads(just)
    with pytest.raises(Malformed) as refusal:
        loads(b"[" + just + b"]", depth=limit)
    assert refusal.value.extra["limit"] == limit


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b'{"a":1,"a":2}', "$"),
        (b'{"events":[{"at":1},{"at":1,"features":{"x":1,"x":2}}]}', "$.events[1].features"),
        (b'{"a":{"b":1,"b":2},"c":{"b":1,"b":2}}', "$.a"),
        (b'{"a b":[{"c":1,"c":1}]}', "$['a b'][0]"),
        (rb'{"events":[{"x":"a"},{"x":"\u0000"}]}', "$.events[1].x"),
        (rb'[1,{"a":{"b\u0000c":1}}]', "$[1].a"),
    ],
)
def test_what_is_refused_is_found_where_it_first_stands(raw: bytes, path: str) -> None:
    for parse in (loads, loads_flat):
        with pytest.raises(Malformed) as refusal:
            parse(raw)
        assert refusal.value.extra["path"] == path
        assert refusal.value.detail.endswith(f", at {path}.")


def test_what_is_nested_too_deeply_is_found_within_a_bounded_path() -> None:
    deep = b'{"events":[1,' + b"[" * 4 + b"]" * 4 + b"]}"
    with pytest.raises(Malformed) as refusal:
        loads(deep, depth=4)
    assert refusal.value.extra["path"] == "$.events[1][0][0][0]"
    for parse in (loads, loads_flat):
        with pytest.raises(Malformed) as refusal:
            parse(b'{"' + b"k" * 90 + b'":' + b'{"abcdefgh":' * 260 + b"1" + b"}" * 261)
        assert len(refusal.value.extra["path"]) <= 201
