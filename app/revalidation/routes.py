from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from app.gates import WayOut
from app.kit.actor import Actor
from app.kit.names import MOST, NAME
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.platform.http import Cursor, Limit, Session, allow, responses
from app.platform.http import router as make_router
from app.revalidation import service
from app.revalidation.tables import Review

router = make_router("/v1/models/{name}/versions/{number}/reviews", tag="revalidation")


class ReviewOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    point_id: UUID
    case_id: UUID
    verdict_id: UUID
    path: WayOut | None = Field(description="How the KPI validation ended; null: inconclusive.")
    until: datetime = Field(description="End of the newest window it looked at.")
    at: datetime


@router.get("", response_model=Page[ReviewOut], responses=responses(NotFound, BadCursor))
async def list_reviews(
    name: Annotated[str, Path(pattern=NAME)],
    number: Annotated[int, Path(ge=1, lt=MOST)],
    actor: Annotated[Actor, allow("telemetry:read")],
    session: Session,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[Review]:
    """List the continuous KPI validations of a version, newest first."""
    return await service.list_reviews(session, name, number, cursor=cursor, limit=limit, by=actor)
