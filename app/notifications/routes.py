from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.kit.actor import Actor
from app.kit.page import BadCursor, Page, Rows
from app.notifications import service
from app.notifications.tables import Outgoing
from app.platform.http import Cursor, Limit, Session, allow, responses
from app.platform.http import router as make_router

router = make_router("/v1/events-feed", tag="notifications")


class EventOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(description="The CloudEvent's id; the same on every reading.")
    type: str = Field(examples=["activation.champion.changed"])
    at: datetime
    data: dict[str, Any]


@router.get("", response_model=Page[EventOut], responses=responses(BadCursor))
async def read_feed(
    actor: Annotated[Actor, allow("notifications:read")],
    session: Session,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[Outgoing]:
    """Read what happened, oldest first; keep `next_cursor` and come back with it."""
    return await service.feed(session, cursor=cursor, limit=limit, by=actor)
