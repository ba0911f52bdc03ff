"""Change requests and waivers."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query

from app.gates import changes, emergencies, grants, waivers
from app.gates.governance_schemas import (
    ChangeDecisionOut,
    ChangeDetailOut,
    ChangeOut,
    DecisionIn,
    GlassIn,
    ReviewIn,
    WaiverIn,
    WaiverOut,
)
from app.gates.rules import (
    AlreadyDecided,
    ApprovalVoid,
    CaseClosed,
    ChangeClosed,
    GlassUnreviewed,
    NoEmergency,
    NotAStep,
    NotInChange,
    NotTheRequester,
    NotWaivable,
    SelfApproval,
)
from app.gates.tables import Change, Waiver
from app.identity import DecisionDenied, NoKeyYet, PrincipalOut
from app.kit.actor import Actor
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.platform.http import Cursor, Limit, Session, allow, responses
from app.platform.http import router as make_router

asked = make_router("/v1/changes", tag="changes")
waived = make_router("/v1/waivers", tag="waivers")
emergency = make_router("/v1/cases", tag="waivers")

Reader = Annotated[Actor, allow("gates:read")]
Approver = Annotated[Actor, allow("gates:approve")]


@asked.get("", response_model=Page[ChangeOut], responses=responses(BadCursor))
async def list_changes(
    actor: Reader,
    session: Session,
    waiting: Annotated[bool, Query(description="Only those that wait for approval.")] = False,  # noqa: FBT002 - a query parameter
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[Change]:
    """List change requests, newest first."""
    return await changes.list_changes(
        session, waiting=waiting, cursor=cursor, limit=limit, by=actor
    )


@asked.get("/{change_id}", response_model=ChangeDetailOut, responses=responses(NotFound))
async def get_change(change_id: UUID, actor: Reader, session: Session) -> dict[str, Any]:
    """Return a change request: before, after, whom it is about, and who said what."""
    change = await changes.change_of(session, change_id, by=actor)
    said = await changes.decisions_on(session, change)
    grantee = await grants.grantee_of(session, change, by=actor)
    return {
        **ChangeOut.model_validate(change).model_dump(),
        "grantee": grantee and PrincipalOut.model_validate(grantee),
        "decisions": [ChangeDecisionOut.model_validate(item) for item in said],
    }


_DECIDING = responses(
    NotFound,
    ChangeClosed,
    SelfApproval,
    AlreadyDecided,
    ApprovalVoid,
    NotInChange,
    DecisionDenied,
    NoKeyYet,
)


@asked.post("/{change_id}:approve", response_model=ChangeOut, responses=_DECIDING)
async def approve_change(
    change_id: UUID, body: DecisionIn, actor: Approver, session: Session
) -> Change:
    """Approve a change; the last approval that is needed carries it out."""
    return await changes.decide_change(
        session, change_id, approved=True, reason=body.reason, by=actor
    )


@asked.post("/{change_id}:reject", response_model=ChangeOut, responses=_DECIDING)
async def reject_change(
    change_id: UUID, body: DecisionIn, actor: Approver, session: Session
) -> Change:
    """Reject a change, which ends it."""
    return await changes.decide_change(
        session, change_id, approved=False, reason=body.reason, by=actor
    )


@asked.post(
    "/{change_id}:withdraw",
    response_model=ChangeOut,
    responses=responses(NotFound, NotTheRequester, ChangeClosed),
)
async def withdraw_change(change_id: UUID, actor: Reader, session: Session) -> Change:
    """End a change request that its maker no longer pursues."""
    return await changes.withdraw_change(session, change_id, by=actor)


@waived.post(
    "",
    status_code=202,
    response_model=ChangeOut,
    responses=responses(NotFound, NotAStep, NotWaivable, CaseClosed, DecisionDenied),
)
async def ask_waiver(
    body: WaiverIn, actor: Annotated[Actor, allow("gates:ask")], session: Session
) -> Change:
    """Ask that a rule need not hold for a while; it is a change request until approved."""
    return await waivers.ask_waiver(
        session, body.case_id, body.step,
        rule=body.rule, days=body.days, reason=body.reason, by=actor,
    )  # fmt: skip


@waived.get("", response_model=Page[WaiverOut], responses=responses(BadCursor))
async def list_waivers(
    actor: Reader,
    session: Session,
    active: Annotated[bool, Query(description="Only those in force.")] = False,  # noqa: FBT002 - a query parameter
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[Waiver]:
    """List waivers and emergencies, newest first."""
    return await waivers.list_waivers(session, active=active, cursor=cursor, limit=limit, by=actor)


@waived.post("/{waiver_id}:end", response_model=WaiverOut, responses=responses(NotFound))
async def end_waiver(waiver_id: UUID, actor: Approver, session: Session) -> Waiver:
    """End a waiver before its time."""
    return await waivers.end_waiver(session, waiver_id, by=actor)


@emergency.post(
    "/{case_id}/steps/{step}:break-glass",
    status_code=201,
    response_model=WaiverOut,
    responses=responses(
        NotFound, NotAStep, CaseClosed, SelfApproval, NoEmergency, GlassUnreviewed, DecisionDenied
    ),
)
async def break_glass(
    case_id: UUID,
    step: Annotated[str, Path(pattern=r"^[a-z_]{1,64}$")],
    body: GlassIn,
    actor: Annotated[Actor, allow("activation:operate")],
    session: Session,
) -> Waiver:
    """Go past a step's gate in an emergency: loud, for hours, reviewed by somebody else."""
    return await emergencies.break_glass(
        session, case_id, step, hours=body.hours, reason=body.reason, by=actor
    )


@waived.post(
    "/{waiver_id}:review",
    response_model=WaiverOut,
    responses=responses(NotFound, SelfApproval, AlreadyDecided, DecisionDenied),
)
async def review_glass(
    waiver_id: UUID, body: ReviewIn, actor: Approver, session: Session
) -> Waiver:
    """Say whether breaking the glass was right; who did it does not say so himself."""
    return await emergencies.review_glass(
        session, waiver_id, upheld=body.upheld, review=body.review, by=actor
    )
