from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.identity import delegation
from app.identity.delegation import BadDelegation
from app.identity.rules import BeyondOwnRights, Disabled, Role
from app.identity.tables import Delegation
from app.kit.actor import Actor, OutOfScope
from app.kit.input import Input
from app.kit.names import NAME
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.platform.http import Cursor, Limit, Session, allow, responses
from app.platform.http import router as make_router

router = make_router("/v1/delegations", tag="identity")

Reader = Annotated[Actor, allow("gates:read")]


class DelegationIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "to": "val",
                    "roles": ["committee"],
                    "until": "2030-05-17T18:00:00Z",
                    "reason": "On leave until the 17th.",
                }
            ]
        }
    )

    to: str = Field(pattern=NAME, description="The person who decides meanwhile.")
    roles: set[Role] = Field(min_length=1, max_length=10)
    until: AwareDatetime = Field(description="At most 31 days ahead.")
    reason: str = Field(min_length=1, max_length=2000)


class DelegationOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    from_id: UUID
    to_id: UUID
    roles: list[Role]
    until: datetime
    reason: str
    ended_at: datetime | None
    at: datetime


@router.post(
    "",
    status_code=201,
    response_model=DelegationOut,
    responses=responses(NotFound, Disabled, BadDelegation, BeyondOwnRights, OutOfScope),
)
async def delegate(
    body: DelegationIn, actor: Annotated[Actor, allow("gates:approve")], session: Session
) -> Delegation:
    """Let another person decide in one's own roles until a date."""
    return await delegation.delegate(
        session, to=body.to, roles=body.roles, until=body.until, reason=body.reason, by=actor
    )


@router.get("", response_model=Page[DelegationOut], responses=responses(BadCursor))
async def list_delegations(
    actor: Reader, session: Session, cursor: Cursor = None, limit: Limit = 50
) -> Rows[Delegation]:
    """List the tenant's delegations, newest first."""
    return await delegation.list_delegations(session, cursor=cursor, limit=limit, by=actor)


@router.post(
    "/{delegation_id}:end",
    response_model=DelegationOut,
    responses=responses(NotFound, BeyondOwnRights, OutOfScope),
)
async def end_delegation(delegation_id: UUID, actor: Reader, session: Session) -> Delegation:
    """End a delegation before its time; it stops working everywhere within five seconds."""
    return await delegation.end_delegation(session, delegation_id, by=actor)
