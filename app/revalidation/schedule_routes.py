from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from app.activation import Signal
from app.catalog import RiskTier
from app.kit.actor import Actor
from app.kit.page import BadCursor, Page, Rows
from app.platform.http import Cursor, Limit, Moment, Session, Snapshot, allow, responses
from app.platform.http import router as make_router
from app.revalidation import gaps, schedule
from app.revalidation.schedule import Listed
from app.revalidation.terms import State
from app.routing import SeatRole

revalidations = make_router("/v1/revalidations", tag="revalidation")
telemetry_gaps = make_router("/v1/telemetry-gaps", tag="revalidation")


class RevalidationOut(BaseModel):
    model: str
    version: int
    decision_point: str
    role: SeatRole
    tier: RiskTier
    validated_at: datetime | None = Field(description="By people; null: never, or not here.")
    validated_by: list[str] = Field(description="Who approved that validation.")
    due: datetime = Field(description="Counted from there, or from when the seat was taken.")
    days_left: int = Field(description="Whole days; negative when it has passed.")
    state: State
    asked: list[str] = Field(description="Who is told: the owner, later the committee as well.")


class GapOut(BaseModel):
    id: UUID
    model: str
    version: int
    decision_point: str
    signal: Signal
    asked: float = Field(description="Minutes of silence at most (events), or a share at least.")
    found: float = Field(description="The same, as it was when the gap was seen.")
    opened_at: datetime
    closed_at: datetime | None
    closed_as: str | None = Field(description="arrives, not_asked (by policy) or seat_left.")


@revalidations.get("", response_model=Page[RevalidationOut], responses=responses(BadCursor))
async def list_revalidations(
    actor: Annotated[Actor, allow("gates:read")],
    session: Snapshot,
    due_before: Annotated[
        Moment | None,
        Query(description="Only what is due before.", examples=["2027-01-01T00:00:00Z"]),
    ] = None,
    overdue: Annotated[bool | None, Query(description="Only what is overdue, or is not.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[dict[str, Any]]:
    """List when what is in a seat is to be validated again, how near that is, and who is asked."""
    found = await schedule.list_terms(
        session, due_before=due_before, overdue=overdue, cursor=cursor, limit=limit, by=actor
    )
    return Rows([_shown(item) for item in found.items], found.next_cursor)


def _shown(listed: Listed) -> dict[str, Any]:
    term = listed.term
    return {
        "model": term.model.name,
        "version": term.version.number,
        "decision_point": term.point.key,
        "role": term.seat.role,
        "tier": term.model.risk_tier,
        "validated_at": term.validation and term.validation.closed_at,
        "validated_by": listed.validated_by,
        "due": term.due,
        "days_left": term.days_left,
        "state": term.state,
        "asked": listed.asked,
    }


@telemetry_gaps.get("", response_model=Page[GapOut], responses=responses(BadCursor))
async def list_telemetry_gaps(
    actor: Annotated[Actor, allow("telemetry:read")],
    session: Session,
    open: Annotated[  # noqa: A002 - as the query calls it
        bool | None, Query(description="Only those that are open, or are over.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[dict[str, Any]]:
    """List where telemetry that policy asks for did not arrive, newest first."""
    return await gaps.list_gaps(session, open_=open, cursor=cursor, limit=limit, by=actor)
