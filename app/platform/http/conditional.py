"""ETag and If-Match, so that nobody overwrites what he has not seen."""

from typing import Annotated

from fastapi import Depends, Header, Response

from app.kit.revision import Stale

_MOST_DIGITS = 19


def etag(response: Response, revision: int) -> None:
    """Give the response the ETag of ``revision``."""
    response.headers["ETag"] = f'"{revision}"'


async def _expected(
    if_match: Annotated[str, Header(description="The ETag of the state this edit was made on.")],
) -> int:
    return _revision(if_match)


async def _expected_or_none(
    if_match: Annotated[
        str | None, Header(description="The ETag of the state this edit was made on, if any.")
    ] = None,
) -> int | None:
    return None if if_match is None else _revision(if_match)


def _revision(if_match: str) -> int:
    tag = if_match.strip().removeprefix("W/").strip('"')
    if not (tag.isascii() and tag.isdecimal() and len(tag) < _MOST_DIGITS):
        raise Stale("If-Match does not hold an ETag of this resource.")
    return int(tag)


IfMatch = Annotated[int, Depends(_expected)]
"""For an edit; without the header it is answered 428, and the document says that it is required."""
IfMatchToReplace = Annotated[int | None, Depends(_expected_or_none)]
"""For a PUT that creates without a condition and replaces only with one."""
