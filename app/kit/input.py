"""What callers send, as Pydantic models."""

import re
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema

_DATE = re.compile(r"\d{4}-")


def _whole(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise ValueError("a whole number is asked for")  # noqa: TRY004 - Pydantic reads this one
    return value


def _dated(value: Any) -> Any:
    if isinstance(value, bool | int | float) or (
        isinstance(value, str) and _DATE.match(value) is None
    ):
        raise ValueError("a time as RFC 3339 writes it is asked for")
    return value


def _distinct(value: Any) -> Any:
    # What cannot be hashed is refused by the set itself.
    words = isinstance(value, list) and all(isinstance(item, str) for item in value)
    if words and len(set(value)) < len(value):
        raise ValueError("something stands there twice")
    return value


_STRICT = frozenset({"bool", "float"})
_LOOKED_AT: dict[str, Callable[[Any], Any]] = {
    "int": _whole,  # not strict, for 1.0 is a whole number too
    "datetime": _dated,  # not strict, for in JSON it is text
    "set": _distinct,  # not strict, for in JSON it is an array
}


def _make_exact(schema: Any) -> None:
    """Change a schema so that no value stands for one of another type, wherever it is in there."""
    for part in schema.values() if isinstance(schema, dict) else schema:
        if isinstance(part, dict | list | tuple):
            _make_exact(part)
    kind = schema.get("type") if isinstance(schema, dict) else None
    if not isinstance(kind, str):  # a list of schemas, or fields of which one is called type
        return
    if kind in _STRICT:
        schema["strict"] = True
    elif kind in _LOOKED_AT:
        inner = dict(schema)
        look = {"type": "no-info", "function": _LOOKED_AT[kind]}
        schema.clear()
        schema.update(type="function-before", function=look, schema=inner)


def optional(**limits: Any) -> Any:
    """Return a field that a caller may leave out; what he does send is a value, never null."""
    # The default is never read: whoever has such fields looks at what was set.
    return Field(default=None, json_schema_extra=_without_default, **limits)


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


class Input(BaseModel):
    """A body or a part of one: no field we do not know, no number that is not finite.

    Numbers, truths and times are what the schema says: "1" is no number, 0 is neither false nor a
    time, what is in a set is there once, for whoever means something else should hear of it.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Make the schema exact about types."""
        found = handler(source)
        _make_exact(found)
        return found
