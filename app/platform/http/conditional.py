"""ETag and If-Match, so that nobody overwrites what he has not seen."""

from typing import Annotated

from fastapi import Depends, Header, Response

from app.kit.refusal import Kind, Refusal
from app.kit.revision import Stale


class ConditionMissing(Refusal):
    """An edit came without saying which state it edits."""

    kind = Kind.UNCONDITIONAL
    code = "condition_missing"
    title = "If-Match is required"
    mend = "GET the resource and send its ETag as If-Match."


def etag(response: Response, revision: int) -> None:
    """Give the response the ETag of ``revision``."""
    response.headers["ETag"] = f'"{revision}"'


def _expected(
    if_match: Annotated[
        str | None, Header(description="The ETag of the state this edit was made on.")
    ] = None,
) -> int:
    if if_match is None:
        raise ConditionMissing("This resource is edited only with If-Match.")
    tag = if_match.strip().removeprefix("W/").strip('"')
    if not tag.isdecimal():
        raise Stale("If-Match does not hold an ETag of this resource.")
    return int(tag)


IfMatch = Annotated[int, Depends(_expected)]
