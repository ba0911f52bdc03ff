"""The two query parameters of every list."""

from typing import Annotated

from fastapi import Query

Cursor = Annotated[
    str | None, Query(description="`next_cursor` of the page before; none for the first.")
]
Limit = Annotated[int, Query(ge=1, le=200, description="Rows a page.")]
