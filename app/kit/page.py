"""Cursor paging: opaque tokens over the sort key of the last row."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field

from app.kit.refusal import Malformed
from app.kit.strictjson import loads_flat

T = TypeVar("T")


class BadCursor(Malformed):
    """The cursor was not made by this server for this list."""

    code = "bad_cursor"
    title = "Bad cursor"
    mend = "Start again without a cursor."


@dataclass(frozen=True, slots=True)
class Rows(Generic[T]):
    """One page of rows as a service returns it."""

    items: Sequence[T]
    next_cursor: str | None


class Page(BaseModel, Generic[T]):
    """One page of a list as it is sent; ``next_cursor`` is null on the last."""

    model_config = ConfigDict(from_attributes=True)

    items: list[T]
    next_cursor: str | None = Field(
        None, description="Pass as `cursor` for the next page; null on the last."
    )


def encode(key: list[Any]) -> str:
    """Return an opaque cursor for a row's sort key."""
    return base64.urlsafe_b64encode(orjson.dumps(key)).rstrip(b"=").decode()


def decode(cursor: str, *types: Callable[[Any], Any]) -> list[Any]:
    """Return the sort key in ``cursor``: one value for each of ``types``, built from text."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        values = loads_flat(raw)
        if not isinstance(values, list) or len(values) != len(types):
            raise ValueError  # noqa: TRY301 - one exit for every malformed cursor
        return [make(value) for make, value in zip(types, values, strict=True)]
    except (Malformed, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise BadCursor("The cursor was not issued for this list.") from error
