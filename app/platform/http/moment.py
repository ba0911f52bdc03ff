"""Times as queries name them."""

import re
from typing import Annotated, Any

from fastapi import Query
from pydantic import AwareDatetime, BeforeValidator

_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def _rfc3339(value: Any) -> Any:
    if isinstance(value, str) and not _RFC_3339.fullmatch(value):
        raise ValueError(
            "not an RFC 3339 timestamp such as 2026-03-01T12:00:00Z (in a URL, + is written %2B)"
        )
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339)]
"""A time in a query, as RFC 3339 writes it: no count of seconds, and not without its zone."""

At = Annotated[
    Moment | None,
    Query(
        description="As it stood at this moment: an RFC 3339 timestamp, not in the future.",
        examples=["2026-03-01T12:00:00Z"],
    ),
]
