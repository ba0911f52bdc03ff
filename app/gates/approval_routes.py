"""Approval requests, and approvals taken back."""

from typing import Annotated, Any
from uuid import UUID

from app.gates import approvals, requests
from app.gates.governance_schemas import DecisionIn, ReasonIn, RequestIn, RequestOut
from app.gates.rules import (
    AlreadyDecided,
    ApprovalVoid,
    CaseClosed,
    NotAStep,
    NotRequired,
    NotTheApprover,
    NotTheRequester,
    SelfApproval,
)
from app.gates.schemas import ApprovalOut
from app.gates.tables import Approval
from app.identity import DecisionDenied
from app.kit.actor import Actor
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.platform.http import Cursor, Limit, Session, allow, responses
from app.platform.http import router as make_router

asked = make_router("/v1/approval-requests", tag="approvals")
given = make_router("/v1/approvals", tag="approvals")

Reader = Annotated[Actor, allow("gates:read")]
Approver = Annotated[Actor, allow("gates:approve")]


@asked.post(
    "",
    status_code=201,
    response_model=RequestOut,
    responses=responses(NotFound, NotAStep, CaseClosed),
)
async def ask_approval(
    body: RequestIn, actor: Annotated[Actor, allow("gates:ask")], session: Session
) -> dict[str, Any]:
    """Ask for the approvals of a step: a digest names the exact thing to be decided."""
    found = await requests.ask_approval(
        session, body.case_id, body.step, note=body.note, days=body.days, by=actor
    )
    return requests.shown(found)


@asked.get("", response_model=Page[RequestOut], responses=responses(BadCursor))
async def list_requests(
    actor: Reader, session: Session, cursor: Cursor = None, limit: Limit = 50
) -> Rows[dict[str, Any]]:
    """List what was asked about cases that are still open, newest first."""
    found = await requests.list_requests(session, cursor=cursor, limit=limit, by=actor)
    return Rows([requests.shown(item) for item in found.items], found.next_cursor)


@asked.get("/{request_id}", response_model=RequestOut, responses=responses(NotFound))
async def get_request(request_id: UUID, actor: Reader, session: Session) -> dict[str, Any]:
    """Return a request: what it covers, who is missing, and what made it void, if anything."""
    found = await requests.look(session, await requests.request_of(session, request_id, by=actor))
    return requests.shown(found)


@asked.post(
    "/{request_id}:withdraw",
    response_model=RequestOut,
    responses=responses(NotFound, NotTheRequester, CaseClosed),
)
async def withdraw_request(request_id: UUID, actor: Reader, session: Session) -> dict[str, Any]:
    """End a request that its maker no longer pursues."""
    return requests.shown(await requests.withdraw_request(session, request_id, by=actor))


_DECIDING = responses(
    NotFound, CaseClosed, SelfApproval, AlreadyDecided, ApprovalVoid, NotRequired, DecisionDenied
)


@asked.post(
    "/{request_id}:approve", status_code=201, response_model=ApprovalOut, responses=_DECIDING
)
async def approve_request(
    request_id: UUID, body: DecisionIn, actor: Approver, session: Session
) -> Approval:
    """Approve exactly what the request names; never one's own work."""
    return await _decide(session, request_id, approved=True, reason=body.reason, by=actor)


@asked.post(
    "/{request_id}:reject", status_code=201, response_model=ApprovalOut, responses=_DECIDING
)
async def reject_request(
    request_id: UUID, body: DecisionIn, actor: Approver, session: Session
) -> Approval:
    """Reject what the request names, and say why."""
    return await _decide(session, request_id, approved=False, reason=body.reason, by=actor)


async def _decide(
    session: Session, request_id: UUID, *, approved: bool, reason: str, by: Actor
) -> Approval:
    found = (await requests.require_open(session, request_id, by=by)).request
    return await approvals.decide(
        session, found.case_id, found.step,
        approved=approved, reason=reason, digest=found.digest, by=by,
    )  # fmt: skip


@given.post(
    "/{approval_id}:withdraw",
    response_model=ApprovalOut,
    responses=responses(NotFound, NotTheApprover, ApprovalVoid, CaseClosed),
)
async def withdraw_approval(
    approval_id: UUID, body: ReasonIn, actor: Approver, session: Session
) -> Approval:
    """Take one's own approval back, as long as nothing was done on it."""
    return await approvals.withdraw_approval(session, approval_id, reason=body.reason, by=actor)
