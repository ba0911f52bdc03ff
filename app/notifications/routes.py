from typing import Annotated

from app.kit.actor import Actor
from app.kit.page import BadCursor, Page, Rows
from app.notifications import service
from app.notifications.schemas import EventOut
from app.notifications.telling import Told
from app.platform.http import Cursor, Limit, Session, allow, responses
from app.platform.http import router as make_router

router = make_router("/v1/events-feed", tag="notifications")


@router.get("", response_model=Page[EventOut], responses=responses(BadCursor))
async def read_feed(
    actor: Annotated[Actor, allow("notifications:read")],
    session: Session,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[Told]:
    """Read what happened, oldest first; keep `next_cursor` and come back with it."""
    return await service.feed(session, cursor=cursor, limit=limit, by=actor)
