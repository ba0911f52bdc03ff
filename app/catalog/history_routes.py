from typing import Annotated, Any

from fastapi import Path, Query

from app import audit
from app.catalog import versions
from app.catalog.rules import NotYoursToRead
from app.kit.actor import Actor
from app.kit.names import MOST, NAME
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.platform.http import Cursor, Limit, Session, allow, responses
from app.platform.http import router as make_router

history = make_router("/v1/models", tag="catalog")


@history.get(
    "/{name}/versions/{number}/history",
    response_model=Page[audit.EntryOut],
    responses=responses(NotFound, BadCursor, NotYoursToRead),
)
async def get_history(
    name: Annotated[str, Path(pattern=NAME)],
    number: Annotated[int, Path(ge=1, lt=MOST)],
    actor: Annotated[Actor, allow("catalog:read")],
    session: Session,
    origins: Annotated[bool, Query(description="And what it was forked from.")] = False,  # noqa: FBT002 - the query's name
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[dict[str, Any]]:
    """List everything that was done about a version, oldest first, wherever it was recorded.

    For who may read the audit log or validates, and for who owns the model or developed a version
    of it.
    """
    return await versions.history_of(
        session, name, number, origins=origins, cursor=cursor, limit=limit, by=actor
    )
