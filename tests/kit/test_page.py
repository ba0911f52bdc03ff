import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.kit.page import BadCursor, Page, Rows, decode, encode
from tests.strategies import JSON, TEXTS

TIMES: Any = datetime.fromisoformat
MAKERS: list[tuple[Callable[..., Any], type]] = [
    (str, str),
    (int, int),
    (UUID, UUID),
    (TIMES, datetime),
]


def forged(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@settings(max_examples=150, deadline=None)
@given(st.datetimes(timezones=st.just(UTC)), TEXTS, st.integers(-(2**63), 2**63 - 1), st.uuids())
def test_a_cursor_gives_back_the_sort_key_it_was_made_of(
    at: datetime, name: str, number: int, made: UUID
) -> None:
    cursor = encode([at, name, number, made])

    assert decode(cursor, TIMES, str, int, UUID) == [at, name, number, made]


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXTS | st.integers(0, 2**31), max_size=4))
def test_a_cursor_needs_no_escaping_in_a_url(key: list[Any]) -> None:
    assert set(encode(key)) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    )


def attempt(cursor: str, make: Any, kind: type) -> None:
    """Decode, and accept one key of the right type or a refusal, nothing else."""
    try:
        (found,) = decode(cursor, make)
    except BadCursor:
        return
    assert isinstance(found, kind)


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=40), st.sampled_from(MAKERS))
@example("", MAKERS[0])
@example("=", MAKERS[0])
@example("é", MAKERS[0])
@example("\ud800", MAKERS[0])
@example("A" * 5, MAKERS[1])
def test_arbitrary_text_is_a_cursor_or_refused(
    text: str, maker: tuple[Callable[..., Any], type]
) -> None:
    attempt(text, *maker)


@settings(max_examples=400, deadline=None)
@given(JSON | st.lists(JSON, min_size=1, max_size=1), st.sampled_from(MAKERS))
def test_a_forged_cursor_of_any_json_is_a_key_or_refused(
    value: Any, maker: tuple[Callable[..., Any], type]
) -> None:
    attempt(forged(json.dumps(value).encode()), *maker)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40), st.sampled_from(MAKERS))
def test_a_forged_cursor_of_any_bytes_is_a_key_or_refused(
    raw: bytes, maker: tuple[Callable[..., Any], type]
) -> None:
    attempt(forged(raw), *maker)


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize(
    "raw",
    [
        b"[1e400]",
        b"[NaN]",
        b"[" + b"9" * 5000 + b"]",
        b'["' + b"9" * 5000 + b'"]',
        b"[null]",
        b"[{}]",
        b"[" * 1000 + b"]" * 1000,
        b'[{"a":' + b"[" * 900 + b"]" * 900 + b"}]",
        b'["0001-01-01T00:00:00+23:59"]',
        b'["urn:uuid:"]',
    ],
    ids=lambda raw: raw[:24].decode() if isinstance(raw, bytes) else raw[1].__name__,
)
def test_forged_extremes_are_refused_and_never_a_fault(
    raw: bytes, maker: tuple[Callable[..., Any], type]
) -> None:
    attempt(forged(raw), *maker)


@pytest.mark.parametrize("key", [[], ["a"], ["a", 1, 2], {"a": 1}, "a", None])
def test_a_cursor_of_another_list_is_refused(key: Any) -> None:
    with pytest.raises(BadCursor) as refusal:
        decode(forged(json.dumps(key).encode()), str, int)

    assert refusal.value.code == "bad_cursor"
    assert refusal.value.mend


def test_a_page_reads_rows_as_a_service_returns_them() -> None:
    page = Page[int].model_validate(Rows([1, 2], encode([2])))

    assert page.items == [1, 2]
    assert page.next_cursor == encode([2])
