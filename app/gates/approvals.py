"""Approvals: asked for, given on exactly what stands, taken back, void when it changes."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, identity
from app.gates import policies
from app.gates.cases import lock, parties, place, stream
from app.gates.counting import deciders, lent_in
from app.gates.covered import Parts, changed, covered
from app.gates.events import ApprovalGiven
from app.gates.policy import Gate
from app.gates.rules import (
    AlreadyDecided,
    ApprovalVoid,
    NotRequired,
    NotTheApprover,
    SelfApproval,
    require_step,
)
from app.gates.steps import STEPS
from app.gates.tables import Approval, Case, Evidence, Request, Withdrawal
from app.kit.actor import Actor
from app.kit.canonical import digest as digest_of
from app.kit.refusal import NotFound
from app.platform.db import clock
from app.platform.events import publish


async def decide(
    session: AsyncSession,
    case_id: UUID,
    step: str,
    *,
    approved: bool,
    reason: str,
    digest: str | None = None,
    by: Actor,
) -> Approval:
    """Approve or reject a step as it stands now; ``digest`` pins what the approver looked at."""
    case = await lock(session, case_id, by.tenant_id)
    require_step(case.kind, step)
    gate = await gate_of(session, case, step)
    if not approved and not gate.required:
        await _refuse_unheard(session, case, step)  # what stops nothing is not taken for a stop
    conflicted = await _askers(session, case, step) | await parties(session, case)
    if gate.apart_from_evidence:
        conflicted |= await _witnesses(session, case, step)
    if by.person_id in conflicted:
        part = conflicted[by.person_id]
        raise SelfApproval(f"{by.name} {part} and cannot decide on it.", step=step)
    # Nobody lends what he could not use himself: not the developer's role, not the requester's.
    roles = by.deciding(conflicted)
    await identity.require_right(
        session, by, identity.Action.APPROVE_STEP, **place(case), roles=roles
    )
    parts = await covered(session, case, step)
    now = digest_of(parts)
    if digest is not None and digest != now:
        moved = await _since(session, case, step, digest, parts)
        if moved:
            raise ApprovalVoid("What you looked at is not what stands.", changed=moved, digest=now)
    approval = Approval(
        tenant_id=by.tenant_id,
        case_id=case_id,
        step=step,
        approved=approved,
        reason=reason,
        principal_id=by.id,
        person_id=by.person_id,
        roles=sorted(roles),
        lent=lent_in(by, conflicted),
        round=await _round(session, case, step, parts, gate, by),
        requester_id=case.requester_id,
        developer_id=case.developer_id,
        digest=now,
        covers=parts,
    )
    session.add(approval)
    try:
        await session.flush()
    except IntegrityError as error:
        raise AlreadyDecided(f"{by.name} has decided on {step} as it stands.") from error
    await session.refresh(approval)
    await audit.record(
        session, by, "approval.given" if approved else "approval.refused", stream(case),
        case=case_id, step=step, digest=approval.digest, roles=approval.roles,
        on_behalf_of=sorted(approval.lent), personal={"reason": reason},
    )  # fmt: skip
    await publish(
        session,
        ApprovalGiven(
            tenant_id=by.tenant_id, case_id=case_id, step=step, approved=approved, by=by.id
        ),
    )
    return approval


async def require_apart(session: AsyncSession, case: Case, *, by: Actor) -> frozenset[str]:
    """Return the roles that somebody decides on a case in; refuse whoever had a part in it."""
    conflicted = await parties(session, case)
    if by.person_id in conflicted:
        raise SelfApproval(f"{by.name} {conflicted[by.person_id]} and cannot decide on it.")
    return by.deciding(conflicted)


async def approvers_of(
    session: AsyncSession, tenant_id: UUID, case_ids: Collection[UUID]
) -> dict[UUID, set[UUID]]:
    """Return who approved something in each case and did not take it back, gone or not."""
    withdrawn = select(Withdrawal.approval_id).filter_by(tenant_id=tenant_id)
    rows = await session.execute(
        select(Approval.case_id, Approval.person_id)
        .filter_by(tenant_id=tenant_id, approved=True)
        .where(Approval.case_id.in_(case_ids), Approval.id.not_in(withdrawn))
    )
    found: dict[UUID, set[UUID]] = {case_id: set() for case_id in case_ids}
    for case_id, person_id in rows:
        found[case_id].add(person_id)
    return found


async def _askers(session: AsyncSession, case: Case, step: str) -> dict[UUID, str]:
    """Return who asked for approvals of the step: nobody answers his own request."""
    asked = select(Request.requester_id).filter_by(withdrawn_at=None)
    return dict.fromkeys(await _people(session, asked, case, step), "asked for the approval")


async def _witnesses(session: AsyncSession, case: Case, step: str) -> dict[UUID, str]:
    """Return who submitted the evidence that a decision on the step rests on."""
    supplied = select(Evidence.author_id).filter_by(measured=False)
    return dict.fromkeys(await _people(session, supplied, case, step), "supplied its evidence")


async def _people(session: AsyncSession, query: Select[UUID], case: Case, step: str) -> set[UUID]:
    """Return whom a query finds about a step of a case."""
    mine = query.filter_by(tenant_id=case.tenant_id, case_id=case.id, step=step)
    return set(await session.scalars(mine.distinct()))


async def _round(
    session: AsyncSession, case: Case, step: str, parts: Parts, gate: Gate, by: Actor
) -> int:
    """Return how often somebody decides on the same thing: again only after taking it back.

    An approval that has grown too old for the policy may be given anew as well. The case's lock
    makes one decision at a time; the number is part of what the database keeps unique.
    """
    mine = {
        "case_id": case.id, "step": step, "digest": digest_of(parts), "person_id": by.person_id,
    }  # fmt: skip
    query = select(Approval.id).filter_by(tenant_id=case.tenant_id, **mine)
    before = set(await session.scalars(query))
    counting = await decisions(session, case, step, parts=parts, gate=gate)
    return 1 if before & {row.id for row in counting} else len(before) + 1


async def asked_in(session: AsyncSession, given: Approval) -> list[str]:
    """Return the roles whose word the gate counts that somebody has decided on."""
    case = await session.get_one(Case, (given.tenant_id, given.case_id))
    return sorted(deciders(await gate_of(session, case, given.step)))


async def _refuse_unheard(session: AsyncSession, case: Case, step: str) -> None:
    """Refuse a rejection that nobody would have to listen to, and say of what one counts."""
    _, policy = await policies.law_of(session, case)
    gates = {str(one): policy.gates[f"{case.kind}.{one}"] for one in STEPS[case.kind]}
    swapped = case.result is not None
    asked = [
        name for name, gate in gates.items() if gate.required and (gate.before_commit or swapped)
    ]
    raise NotRequired(
        f"At the {case.tier} tier {step} is not asked for: its rejection would stop nothing.",
        required=asked,
    )


async def _since(
    session: AsyncSession, case: Case, step: str, digest: str, now: dict[str, Any]
) -> list[str]:
    """Return which parts changed since a digest that somebody was shown."""
    mine = {"tenant_id": case.tenant_id, "case_id": case.id, "step": step, "digest": digest}
    for table in (Request, Approval):
        parts = await session.scalar(select(table.covers).filter_by(**mine).limit(1))
        if parts is not None:
            return changed(parts, now)
    return ["unknown"]


async def withdraw_approval(
    session: AsyncSession, approval_id: UUID, *, reason: str, by: Actor
) -> Approval:
    """Take an approval back; the step's verdict no longer stands on it."""
    approval = await session.get(Approval, (by.tenant_id, approval_id))
    if approval is None:
        raise NotFound("approval", approval_id)
    case = await lock(session, approval.case_id, by.tenant_id)
    by.require_point(place(case)["point"])
    if approval.person_id != by.person_id:
        raise NotTheApprover("Only who gave an approval takes it back.")
    if case.result is not None:
        raise ApprovalVoid(f"The {case.kind} is {case.result}: its approvals are history.")
    key = (by.tenant_id, approval_id)
    if await session.get(Withdrawal, key) is not None:
        raise ApprovalVoid("The approval was taken back before.")
    session.add(
        Withdrawal(
            tenant_id=by.tenant_id,
            approval_id=approval_id,
            case_id=case.id,
            step=approval.step,
            reason=reason,
            person_id=by.person_id,
        )
    )
    await session.flush()
    await audit.record(
        session, by, "approval.withdrawn", stream(case),
        case=case.id, step=approval.step, approval=approval_id, personal={"reason": reason},
    )  # fmt: skip
    return approval


async def decisions(
    session: AsyncSession, case: Case, step: str, *, parts: Parts, gate: Gate
) -> list[Approval]:
    """Return the decisions on a step that count now.

    Approvals are on what stands, not too old, and by people who are still here. A rejection is not
    talked away: neither new evidence nor its author's leaving ends it, only his own next word.
    """
    given = await standing(session, case.tenant_id, [case.id])
    now = await clock(session)
    return [row for row in given if row.step == step and counts(row, parts, gate, now)]


async def standing(
    session: AsyncSession, tenant_id: UUID, case_ids: Collection[UUID]
) -> list[Approval]:
    """Return the decisions on cases that were not taken back.

    Approvals of people who are still here, and rejections that are their author's last word.
    """
    withdrawn = select(Withdrawal.approval_id).where(
        Withdrawal.tenant_id == tenant_id, Withdrawal.case_id.in_(case_ids)
    )
    rows = list(
        await session.scalars(
            select(Approval)
            .where(
                Approval.tenant_id == tenant_id,
                Approval.case_id.in_(case_ids),
                Approval.id.not_in(withdrawn),
            )
            .order_by(Approval.at)
        )
    )
    left = await identity.disabled(session, tenant_id, among={row.person_id for row in rows})
    last = {(row.case_id, row.step, row.person_id): row.id for row in rows}
    return [
        row
        for row in rows
        if (
            row.person_id not in left
            if row.approved
            else last[row.case_id, row.step, row.person_id] == row.id
        )
    ]


def counts(row: Approval, parts: Parts, gate: Gate, now: datetime) -> bool:
    """Say whether an approval is on these parts and not too old; a rejection counts.

    One that was given before a release began to cover some part besides is on those it knew.
    """
    if not row.approved:
        return True
    if row.digest != digest_of(parts) and (row.covers is None or changed(row.covers, parts)):
        return False
    days = gate.approval_days
    return days is None or row.at > now - timedelta(days=days)


async def gate_of(session: AsyncSession, case: Case, step: str) -> Gate:
    """Return a step's gate under the policy its case began with."""
    _, policy = await policies.law_of(session, case)
    return policy.gates[f"{case.kind}.{step}"]
