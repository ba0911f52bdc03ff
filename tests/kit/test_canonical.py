import hashlib
import json
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson
import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.kit.canonical import canonical, digest, plain
from tests.strategies import EXACT_INTEGERS, FLOATS, JSON, json_of

EXACT = json_of(EXACT_INTEGERS, FLOATS)


class Colour(StrEnum):
    RED = "red"


def test_the_example_of_rfc_8785_has_the_published_bytes() -> None:
    text = (
        r'{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],'
        r'"string": "\u20ac$\u000F\u000aA' + r"'\u0042\u0022\u005c\\\"\/"
        r'","literals": [null, true, false]}'
    )
    published = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA' + "'" + 'B\\"\\\\\\\\\\"/"}'
    )

    assert canonical(json.loads(text)) == published.encode()


def test_keys_sort_by_utf_16_units_as_in_rfc_8785() -> None:
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\x80", "\u00f6"]
    published = ["\r", "1", "\x80", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]

    assert list(json.loads(canonical(dict.fromkeys(names)))) == published


@settings(max_examples=400, deadline=None)
@given(st.one_of(EXACT, json_of(EXACT_INTEGERS)))
@example({"\U0001f600": 1, "\ufb33": [2**53 - 1, -(2**53) + 1, True, None]})
@example({'\x7f\x1f\b/\u2028"\\': {"b": "", "a": [], "\xe9": {}}})
def test_the_quick_way_writes_the_bytes_of_the_rule(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize("value", ["\ud800", {"x": "\ud800"}, {1: 2}, {Colour.RED: b""}])
def test_what_is_no_json_is_refused_by_the_rule(value: Any) -> None:
    with pytest.raises(rfc8785.CanonicalizationError):
        canonical(value)


@settings(max_examples=150, deadline=None)
@given(EXACT)
def test_canonical_bytes_read_back_as_the_value(value: Any) -> None:
    # Shortest digits: 52231959071299660 is the double 5.223195907129966e+16.
    assert json.loads(canonical(value), parse_int=float) == value


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text("abé€", max_size=3), EXACT_INTEGERS), st.randoms())
def test_the_order_of_keys_does_not_matter(value: dict[str, int], random: Any) -> None:
    names = list(value)
    random.shuffle(names)

    assert digest({name: value[name] for name in names}) == digest(value)


@settings(max_examples=150, deadline=None)
@given(EXACT, EXACT)
def test_values_of_different_meaning_have_different_digests(one: Any, two: Any) -> None:
    if canonical(one) != canonical(two):
        assert digest(one) != digest(two)
    else:
        assert one == two


def test_a_digest_is_named_sha_256_over_the_canonical_bytes() -> None:
    assert digest({"b": 1, "a": [1.0]}) == (
        "sha256:" + hashlib.sha256(b'{"a":[1],"b":1}').hexdigest()
    )


def test_ids_times_and_enums_have_the_digest_of_their_text() -> None:
    rich = {
        "id": UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f"),
        "at": datetime(2024, 5, 3, 12, tzinfo=UTC),
        "colour": Colour.RED,
    }
    text = {
        "id": "017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
        "at": "2024-05-03T12:00:00+00:00",
        "colour": "red",
    }

    assert plain(rich) == text
    assert digest(rich) == digest(text)


@settings(max_examples=300, deadline=None)
@given(FLOATS)
@example(1e16)
@example(2.0**53)
@example(-(2.0**62))
@example(1e22)
@example(-0.0)
@example(5e-324)
def test_a_number_keeps_its_bytes_when_the_database_writes_it_out_in_full(number: float) -> None:
    # jsonb keeps numbers as decimals without an exponent: 1e16 comes back as 10000000000000000.
    stored = orjson.loads(f"{Decimal(repr(number)):f}")

    assert canonical(stored) == canonical(number)


@settings(max_examples=150, deadline=None)
@given(JSON)
@example(2**53)
@example(2**64 - 1)
def test_every_value_that_a_body_may_carry_has_a_digest(value: Any) -> None:
    assert digest(value) == digest(json.loads(json.dumps(value)))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_none_has_no_canonical_form(number: float) -> None:
    with pytest.raises(ValueError, match="not representable"):
        canonical(number)
