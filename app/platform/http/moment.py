"""Times as queries name them."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, BeforeValidator

_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def _rfc3339(value: Any) -> Any:
    if isinstance(value, str) and not _RFC_3339.fullmatch(value):
        raise ValueError(
            "not an RFC 3339 timestamp such as 2026-03-01T12:00:00Z (in a URL, + is written %2B)"
        )
    return value


def _countable(at: datetime) -> datetime:
    """Refuse times that no calendar arithmetic should have to bear."""
    if not _FIRST <= at < _LAST:
        raise ValueError("not between the years 1970 and 9000")
    return at


_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339)]
"""A time in a query, as RFC 3339 writes it: no count of seconds, and not without its zone."""

Countable = Annotated[Moment, AfterValidator(_countable)]
"""The same of what is reckoned with."""

At = Annotated[
    Moment | None,
    Query(
        description="As it stood at this moment: an RFC 3339 timestamp, not in the future.",
        examples=["2026-03-01T12:00:00Z"],
    ),
]
