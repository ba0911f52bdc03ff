"""Approval requests: what is to be decided, by whom, until when; an inbox for approvers."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit
from app.gates import policies
from app.gates.approvals import counts, standing
from app.gates.cases import cases_by_id, lock, place, seen_by, stream
from app.gates.counting import lacking
from app.gates.covered import changed, covered, covered_all
from app.gates.events import ApprovalAsked
from app.gates.policy import Gate
from app.gates.rules import ApprovalVoid, NotTheRequester, require_step
from app.gates.tables import Approval, Case, Request
from app.kit.actor import Actor
from app.kit.canonical import digest as digest_of
from app.kit.page import Rows
from app.kit.refusal import NotFound
from app.platform.db import clock, page
from app.platform.events import publish


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it stands: open, granted, rejected, void, withdrawn, expired or closed."""

    request: Request
    case: Case
    state: str
    changed: list[str]
    missing: dict[str, int]
    approvals: list[Approval]


async def ask_approval(
    session: AsyncSession, case_id: UUID, step: str, *, note: str, days: int, by: Actor
) -> Asked:
    """Ask for the approvals of a step as it stands now."""
    case = await lock(session, case_id, by.tenant_id)
    by.require_point(place(case)["point"])
    require_step(case.kind, step)
    parts = await covered(session, case, step)
    now = await clock(session)
    request = Request(
        tenant_id=by.tenant_id,
        case_id=case_id,
        step=step,
        note=note,
        digest=digest_of(parts),
        covers=parts,
        requester_id=by.person_id,
        expires_at=now + timedelta(days=days),
    )
    session.add(request)
    await session.flush()
    await session.refresh(request)
    await audit.record(
        session, by, "approval.asked", stream(case),
        case=case_id, step=step, request=request.id, digest=request.digest,
        expires_at=request.expires_at, personal={"note": note},
    )  # fmt: skip
    await publish(
        session,
        ApprovalAsked(
            tenant_id=by.tenant_id, case_id=case_id, step=step, request_id=request.id, by=by.id
        ),
    )
    return await look(session, request)


async def look(session: AsyncSession, request: Request) -> Asked:
    """Return where a request stands now."""
    return (await _look_all(session, request.tenant_id, [request]))[0]


async def _look_all(
    session: AsyncSession, tenant_id: UUID, requests: Sequence[Request]
) -> list[Asked]:
    """Return where requests stand now, with a few queries for all."""
    cases = await cases_by_id(session, tenant_id, {request.case_id for request in requests})
    laws = await policies.laws_of(session, tenant_id, cases.values())
    words: dict[UUID, list[Approval]] = defaultdict(list)
    for row in await standing(session, tenant_id, list(cases)):
        words[row.case_id].append(row)
    places = [(cases[request.case_id], request.step) for request in requests]
    now_covered = await covered_all(session, tenant_id, places)
    now = await clock(session)
    found = []
    for request in requests:
        case, step = cases[request.case_id], request.step
        gate = laws[case.id][1].gates[f"{case.kind}.{step}"]
        given = [
            row
            for row in words[case.id]
            if row.step == step and counts(row, request.covers, gate, now)
        ]
        moved = changed(request.covers, now_covered[case.id, step])
        found.append(_stands(request, case, gate, given, moved, now))
    return found


def _stands(
    request: Request,
    case: Case,
    gate: Gate,
    given: list[Approval],
    moved: list[str],
    now: datetime,
) -> Asked:
    lacks = lacking(gate, given)
    if request.withdrawn_at is not None:
        state = "withdrawn"
    elif case.closed_at is not None:
        state = "closed"
    elif moved:
        state = "void"
    elif any(not row.approved for row in given):
        state = "rejected"
    elif not lacks and any(row.approved for row in given):
        state = "granted"
    else:
        state = "expired" if request.expires_at <= now else "open"
    return Asked(request, case, state, moved, lacks, given)


async def request_of(session: AsyncSession, request_id: UUID, *, by: Actor) -> Request:
    """Return a request of the caller's tenant."""
    found = await session.get(Request, (by.tenant_id, request_id))
    if found is None:
        raise NotFound("approval request", request_id)
    return found


async def require_open(session: AsyncSession, request_id: UUID, *, by: Actor) -> Asked:
    """Return a request that can still be decided; refuse one that cannot, and say why."""
    found = await look(session, await request_of(session, request_id, by=by))
    if found.state in {"void", "withdrawn", "expired", "closed"}:
        raise ApprovalVoid(
            f"The request is {found.state}.", state=found.state, changed=found.changed
        )
    return found


async def withdraw_request(session: AsyncSession, request_id: UUID, *, by: Actor) -> Asked:
    """End a request that its maker no longer pursues."""
    request = await request_of(session, request_id, by=by)
    if request.requester_id != by.person_id:
        raise NotTheRequester("Only who asked withdraws a request.")
    case = await lock(session, request.case_id, by.tenant_id)
    by.require_point(place(case)["point"])
    if request.withdrawn_at is None:
        request.withdrawn_at = func.clock_timestamp()
        await session.flush()
        await session.refresh(request)
        await audit.record(
            session, by, "approval.request_withdrawn", stream(case),
            case=case.id, step=request.step, request=request.id,
        )  # fmt: skip
    return await look(session, request)


async def list_requests(
    session: AsyncSession, *, cursor: str | None, limit: int, by: Actor
) -> Rows[Asked]:
    """List what waits for a decision, newest first: requests of open cases, not withdrawn."""
    open_cases = select(Case.id).where(
        Case.tenant_id == by.tenant_id, Case.closed_at.is_(None), seen_by(by, Case.point_id)
    )
    query = select(Request).where(
        Request.tenant_id == by.tenant_id,
        Request.withdrawn_at.is_(None),
        Request.case_id.in_(open_cases),
    )
    found = await page(
        session, query, Request.at, Request.id, cursor=cursor, limit=limit, newest_first=True
    )
    return Rows(await _look_all(session, by.tenant_id, found.items), found.next_cursor)


def shown(asked: Asked) -> dict[str, Any]:
    """Return a request as callers see it."""
    request = asked.request
    return {
        "id": request.id,
        "case_id": request.case_id,
        "kind": asked.case.kind,
        "version_id": asked.case.version_id,
        "tier": asked.case.tier,
        "step": request.step,
        "note": request.note,
        "digest": request.digest,
        "covers": request.covers,
        "requester_id": request.requester_id,
        "expires_at": request.expires_at,
        "at": request.at,
        "state": asked.state,
        "changed": asked.changed,
        "missing": asked.missing,
        "approvals": asked.approvals,
    }
