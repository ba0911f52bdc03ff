"""Bodies are taken by their JSON types."""

import time
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest
from pydantic import Field, ValidationError

from app.kit.input import Input

ID = "0198c0de-0000-7000-8000-000000000001"


class Word(StrEnum):
    YES = "yes"


class Inner(Input):
    type: int = 1
    share: float | None = None


class Sent(Input):
    truth: bool = True
    count: int = 1
    table: dict[str, float] = Field(default_factory=dict)
    inner: tuple[Inner, ...] = ()
    word: Word = Word.YES
    id: UUID | None = None
    at: datetime | None = None
    words: set[str] = Field(default_factory=set)


@pytest.mark.parametrize(
    "body",
    [
        {"truth": 0}, {"truth": "no"}, {"count": "1"}, {"count": True}, {"table": {"a": "1"}},
        {"inner": [{"type": "1"}]}, {"inner": [{"share": "0.5"}]}, {"inner": [{"share": False}]},
        {"table": {"a": float("inf")}}, {"more": 1}, {"at": 0}, {"at": "0"}, {"at": 1.5},
        {"count": 1.5}, {"words": ["a", "b", "a"]}, {"words": [["a"]]},
    ],
)  # fmt: skip
def test_text_and_numbers_do_not_stand_for_each_other(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Sent.model_validate(body)


def test_a_large_set_is_looked_at_in_no_time() -> None:
    began = time.monotonic()

    found = Sent.model_validate({"words": [str(number) for number in range(100_000)]})

    assert len(found.words) == 100_000
    assert time.monotonic() - began < 5


def test_what_json_has_no_type_for_comes_as_text() -> None:
    found = Sent.model_validate({"word": "yes", "id": ID, "at": "2026-01-01T00:00:00Z"})

    assert (found.word, found.id) == (Word.YES, UUID(ID))
    assert found.at is not None


def test_a_whole_number_is_one_however_it_is_written() -> None:
    assert Sent.model_validate({"count": 2.0}).count == 2
    assert Sent.model_validate({"table": {"a": 1}, "inner": [{"share": 0}]}).table == {"a": 1}
