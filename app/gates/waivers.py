"""Waivers: rules that need not hold for a while, by approval or in an emergency.

A waiver is asked for and approved as a change request. Breaking the glass needs no approval
beforehand: it is loud, short, never for one's own version, and must be reviewed by somebody else.
"""

import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, identity
from app.gates import changes, policies
from app.gates.approvals import gate_of
from app.gates.cases import Place, lock, makers, parties, place, seen_by, stream
from app.gates.events import ChangeApproved, GlassBroken
from app.gates.policy import terms_of
from app.gates.rules import (
    AlreadyDecided,
    ApprovalVoid,
    GlassUnreviewed,
    NotWaivable,
    SelfApproval,
    require_step,
)
from app.gates.tables import Case, Change, Waiver
from app.identity import Action, Governed
from app.kit.actor import Actor
from app.kit.page import Rows
from app.kit.refusal import NotFound
from app.platform.db import clock, page
from app.platform.events import publish

logger = logging.getLogger(__name__)

EVERY_RULE = "*"


async def ask_waiver(
    session: AsyncSession,
    case_id: UUID,
    step: str,
    *,
    rule: str,
    days: int,
    reason: str,
    by: Actor,
) -> Change:
    """Ask that a rule need not hold for the case's version, at its decision point, for so long."""
    case = await lock(session, case_id, by.tenant_id)
    require_step(case.kind, step)
    await identity.require_right(session, by, Action.ASK_WAIVER, **place(case))
    gate = await gate_of(session, case, step)
    known = terms_of(gate)
    if rule not in known:
        raise NotWaivable(f"The gate of {step} has no rule {rule!r}.", rules=sorted(known))
    await _require_short(session, case, days)
    after = {
        "case_id": case_id, "version_id": case.version_id, "point_id": case.point_id,
        "gate": f"{case.kind}.{step}", "rule": rule, "days": days,
        "tier": case.tier, "terms": known[rule],
        "barred": sorted((await parties(session, case)).keys() - {case.developer_id}),
        "part": "had a part in the version or its case",
    }  # fmt: skip
    change = await changes.propose(
        session, Governed.WAIVER, f"{case.kind}.{step}.{rule}",
        expected=None, before=None, after=after, reason=reason,
        developer_id=case.developer_id, scope=place(case), by=by,
    )  # fmt: skip
    assert change is not None  # noqa: S101 - waivers are always under change control
    return change


async def _require_short(session: AsyncSession, case: Case, days: int) -> None:
    """Refuse a waiver that would outlast the tier's next revalidation: exceptions end before."""
    _, policy = await policies.law_of(session, case)
    most = policy.revalidate_days
    if most is not None and days > most:
        raise NotWaivable(
            f"At the {case.tier} tier a rule is waived for {most} days at most, until the version"
            " is validated again.",
            days=most,
        )


async def grant_waiver(session: AsyncSession, event: ChangeApproved) -> None:
    """Put an approved waiver into force; its time begins now."""
    if event.kind != Governed.WAIVER:
        return
    asked = event.after
    change = await session.get_one(Change, (event.tenant_id, event.change_id))
    case = await session.get_one(Case, (event.tenant_id, UUID(asked["case_id"])))
    if case.closed_at is not None:
        raise ApprovalVoid(
            f"The {case.kind} for which it was asked is {case.result}.", changed=["case"]
        )
    now = await clock(session)
    assert change.developer_id is not None  # noqa: S101 - a waiver is for a version
    session.add(
        Waiver(
            tenant_id=event.tenant_id,
            id=event.change_id,
            version_id=UUID(asked["version_id"]),
            point_id=UUID(asked["point_id"]) if asked["point_id"] else None,
            gate=asked["gate"],
            rule=asked["rule"],
            tier=asked["tier"],
            terms=asked["terms"],
            reason=change.reason,
            until=now + timedelta(days=asked["days"]),
            change_id=event.change_id,
            developer_id=change.developer_id,
        )
    )
    await session.flush()


async def break_glass(
    session: AsyncSession, case_id: UUID, step: str, *, hours: int, reason: str, by: Actor
) -> Waiver:
    """Go past a step's gate in an emergency, for hours; somebody else must review it."""
    case = await lock(session, case_id, by.tenant_id)
    require_step(case.kind, step)
    await identity.require_right(session, by, Action.BREAK_GLASS, **place(case))
    made = await makers(session, case)
    if by.person_id in made:
        raise SelfApproval(f"{by.name} {made[by.person_id]}: not in an emergency either.")
    gate = f"{case.kind}.{step}"
    await _require_trust(session, case, gate)
    now = await clock(session)
    waiver = Waiver(
        tenant_id=by.tenant_id,
        version_id=case.version_id,
        point_id=case.point_id,
        gate=gate,
        rule=EVERY_RULE,
        tier=case.tier,
        reason=reason,
        until=now + timedelta(hours=hours),
        developer_id=case.developer_id,
        taken_by=by.person_id,
    )
    session.add(waiver)
    await session.flush()
    await session.refresh(waiver)
    told = {"tenant": str(by.tenant_id), "case": str(case_id), "step": step}
    logger.critical("the glass was broken", extra=told | {"waiver": str(waiver.id)})
    await audit.record(
        session, by, "glass.broken", stream(case),
        case=case_id, step=step, waiver=waiver.id, until=waiver.until, personal={"reason": reason},
    )  # fmt: skip
    await publish(
        session,
        GlassBroken(
            tenant_id=by.tenant_id, waiver_id=waiver.id, case_id=case_id, step=step, by=by.id,
            until=waiver.until,
        ),
    )  # fmt: skip
    return waiver


async def _require_trust(session: AsyncSession, case: Case, gate: str) -> None:
    """Refuse another emergency at a gate while one waits for its review, or was not upheld."""
    found = await session.scalar(
        select(Waiver.id)
        .filter_by(tenant_id=case.tenant_id, version_id=case.version_id, gate=gate)
        .where(Waiver.taken_by.is_not(None), Waiver.upheld.is_not(True))
        .limit(1)
    )
    if found is not None:
        raise GlassUnreviewed(
            "The last emergency here was not upheld by anybody.", waiver=found, filled={"id": found}
        )


async def review_glass(
    session: AsyncSession, waiver_id: UUID, *, upheld: bool, review: str, by: Actor
) -> Waiver:
    """Say whether breaking the glass was right; whoever did it does not say so himself."""
    waiver = await _locked(session, waiver_id, by=by)
    if waiver.taken_by is None:
        raise NotFound("emergency", waiver_id)
    took_part = await _took_part(session, waiver)
    if by.person_id in took_part:
        raise SelfApproval(f"{by.name} took part in it and cannot review it.")
    roles = by.deciding(took_part)
    where = await _place(session, waiver)
    await identity.require_right(session, by, Action.REVIEW_BREAK_GLASS, roles=roles, **where)
    if waiver.reviewed_at is not None:
        raise AlreadyDecided("The emergency was reviewed before.")
    waiver.reviewer_id, waiver.review, waiver.upheld = by.person_id, review, upheld
    waiver.reviewed_at = func.clock_timestamp()
    if not upheld and waiver.ended_at is None:
        waiver.ended_at = func.clock_timestamp()
    await session.flush()
    await session.refresh(waiver)
    await audit.record(
        session, by, "glass.reviewed", f"version:{waiver.version_id}",
        waiver=waiver.id, upheld=upheld, personal={"review": review},
    )  # fmt: skip
    return waiver


async def _took_part(session: AsyncSession, waiver: Waiver) -> set[UUID]:
    """Return who has a stake in an emergency: he who went past the gate, and whoever he helped."""
    cases = await session.scalars(
        select(Case).filter_by(tenant_id=waiver.tenant_id, version_id=waiver.version_id)
    )
    found = {waiver.developer_id} | ({waiver.taken_by} if waiver.taken_by else set())
    for case in list(cases):
        if case.point_id in {waiver.point_id, None}:
            found |= (await parties(session, case)).keys()
    return found


async def end_waiver(session: AsyncSession, waiver_id: UUID, *, by: Actor) -> Waiver:
    """End a waiver before its time."""
    waiver = await _locked(session, waiver_id, by=by)
    where = await _place(session, waiver)
    await identity.require_right(session, by, Action.APPROVE_CHANGE, **where)
    if waiver.ended_at is None:
        waiver.ended_at = func.clock_timestamp()
        await session.flush()
        await session.refresh(waiver)
        await audit.record(
            session, by, "waiver.ended", f"version:{waiver.version_id}", waiver=waiver.id
        )
    return waiver


async def _place(session: AsyncSession, waiver: Waiver) -> Place:
    found = await catalog.versions_by_id(session, waiver.tenant_id, {waiver.version_id})
    model, _ = found[waiver.version_id]
    point = None
    if waiver.point_id is not None:
        point = (await catalog.point_by_id(session, waiver.tenant_id, waiver.point_id)).key
    return {"tier": model.risk_tier, "model": model.name, "point": point}


async def _locked(session: AsyncSession, waiver_id: UUID, *, by: Actor) -> Waiver:
    found = await session.get(Waiver, (by.tenant_id, waiver_id), with_for_update=True)
    if found is None:
        raise NotFound("waiver", waiver_id)
    return found


async def active_waivers(session: AsyncSession, case: Case, step: str) -> list[dict[str, Any]]:
    """Return the waivers in force for a step of a case, as facts keep them.

    One is of a rule as it read then, at the tier the version had: a stricter one is not waived.
    """
    terms = terms_of(await gate_of(session, case, step))
    rows = await session.scalars(
        select(Waiver)
        .filter_by(tenant_id=case.tenant_id, version_id=case.version_id, gate=f"{case.kind}.{step}")
        .where(
            or_(Waiver.point_id.is_(None), Waiver.point_id == case.point_id),
            Waiver.ended_at.is_(None),
            Waiver.until > func.clock_timestamp(),
            Waiver.tier == case.tier,
        )
        .order_by(Waiver.taken_by.is_not(None), Waiver.at)
    )
    return [
        {"id": str(row.id), "rule": row.rule, "until": row.until}
        for row in rows
        if row.rule == EVERY_RULE or terms.get(row.rule) == row.terms
    ]


async def list_waivers(
    session: AsyncSession, *, active: bool, cursor: str | None, limit: int, by: Actor
) -> Rows[Waiver]:
    """List waivers, newest first; all of them, or those in force."""
    query = select(Waiver).filter_by(tenant_id=by.tenant_id).where(seen_by(by, Waiver.point_id))
    if active:
        query = query.where(Waiver.ended_at.is_(None), Waiver.until > func.clock_timestamp())
    return await page(
        session, query, Waiver.at, Waiver.id, cursor=cursor, limit=limit, newest_first=True
    )
