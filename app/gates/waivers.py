"""Waivers: rules that need not hold for a while, asked for and approved as change requests.

Breaking the glass leaves one of every rule of a gate.
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
from app.gates.cases import Place, lock, parties, place, seen_by
from app.gates.events import ChangeApproved
from app.gates.policy import terms_of
from app.gates.rules import (
    ApprovalVoid,
    NotWaivable,
    require_step,
)
from app.gates.tables import Case, Change, Waiver
from app.identity import Action, Governed
from app.kit.actor import Actor
from app.kit.page import Rows
from app.kit.refusal import NotFound
from app.platform.db import clock, page

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


async def end_waiver(session: AsyncSession, waiver_id: UUID, *, by: Actor) -> Waiver:
    """End a waiver before its time."""
    waiver = await locked(session, waiver_id, by=by)
    where = await place_of(session, waiver)
    await identity.require_right(session, by, Action.APPROVE_CHANGE, **where)
    if waiver.ended_at is None:
        waiver.ended_at = func.clock_timestamp()
        await session.flush()
        await session.refresh(waiver)
        await audit.record(
            session, by, "waiver.ended", f"version:{waiver.version_id}", waiver=waiver.id
        )
    return waiver


async def place_of(session: AsyncSession, waiver: Waiver) -> Place:
    """Return where a waiver decides, as decision rights are scoped."""
    found = await catalog.versions_by_id(session, waiver.tenant_id, {waiver.version_id})
    model, _ = found[waiver.version_id]
    point = None
    if waiver.point_id is not None:
        point = (await catalog.point_by_id(session, waiver.tenant_id, waiver.point_id)).key
    return {"tier": model.risk_tier, "model": model.name, "point": point}


async def locked(session: AsyncSession, waiver_id: UUID, *, by: Actor) -> Waiver:
    """Return a waiver, locked until the transaction ends."""
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
