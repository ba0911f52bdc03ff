"""Emergencies: the glass is broken, and what became of it.

It needs no approval beforehand: it is loud, short, never for one's own version, and must be
reviewed by somebody else before the glass is broken for the same version again, wherever.
"""

import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, identity
from app.gates.approvals import gate_of
from app.gates.cases import case_of, lock, makers, parties, place, stream
from app.gates.events import GlassBroken, GlassReviewed
from app.gates.rules import AlreadyDecided, GlassUnreviewed, NoEmergency, SelfApproval, require_step
from app.gates.tables import Case, Waiver
from app.gates.waivers import EVERY_RULE, locked, place_of
from app.identity import Action
from app.kit.actor import Actor
from app.kit.refusal import NotFound
from app.platform.db import clock
from app.platform.events import publish

logger = logging.getLogger(__name__)

_DENIED = (
    "Pass the gate as policy asks. POST /v1/waivers asks that a rule need not hold for a while."
)


async def break_glass(
    session: AsyncSession, case_id: UUID, step: str, *, hours: int, reason: str, by: Actor
) -> Waiver:
    """Go past a step's gate in an emergency, for hours; somebody else must review it."""
    known = await case_of(session, case_id, by=by)
    # Emergencies are counted over all cases of a version, and of what is the same: one at a time.
    alike = await catalog.lock_alike(session, by.tenant_id, known.version_id)
    case = await lock(session, case_id, by.tenant_id)
    require_step(case.kind, step)
    await identity.require_right(session, by, Action.BREAK_GLASS, **place(case))
    made = await makers(session, case)
    if by.person_id in made:
        raise SelfApproval(f"{by.name} {made[by.person_id]}: not in an emergency either.")
    gate = f"{case.kind}.{step}"
    if not (await gate_of(session, case, step)).emergencies:
        raise NoEmergency(
            f"At the {case.tier} tier the glass of {gate} is not broken.",
            filled={"key": case.details.get("decision_point", "its decision point")},
        )
    await _require_trust(session, case, alike)
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


async def _require_trust(session: AsyncSession, case: Case, alike: Collection[UUID]) -> None:
    """Refuse another emergency of a version while one waits for its review, or was not upheld.

    One person goes past one gate alone: for the next, somebody else has agreed to the first. What
    is published again with the same file is the same, at one decision point under whatever name.
    """
    named = await catalog.with_digest_of(session, case.tenant_id, case.version_id)
    here = and_(Waiver.point_id == case.point_id, Waiver.version_id.in_(named))
    found = await session.scalar(
        select(Waiver)
        .where(Waiver.tenant_id == case.tenant_id, or_(Waiver.version_id.in_(alike), here))
        .where(Waiver.taken_by.is_not(None), Waiver.upheld.is_not(True))
        .order_by(Waiver.at.desc())
        .limit(1)
    )
    if found is None:
        return
    what = "waits for its review" if found.reviewed_at is None else "was not upheld"
    raise GlassUnreviewed(
        f"The version's emergency at {found.gate} {what}.",
        waiver=found.id,
        gate=found.gate,
        filled={"id": found.id},
        **({} if found.reviewed_at is None else {"mend": _DENIED}),
    )


async def review_glass(
    session: AsyncSession, waiver_id: UUID, *, upheld: bool, review: str, by: Actor
) -> Waiver:
    """Say whether breaking the glass was right; whoever did it does not say so himself."""
    waiver = await locked(session, waiver_id, by=by)
    if waiver.taken_by is None:
        raise NotFound("emergency", waiver_id)
    took_part = await _took_part(session, waiver)
    if by.person_id in took_part:
        raise SelfApproval(f"{by.name} took part in it and cannot review it.")
    roles = by.deciding(took_part)
    where = await place_of(session, waiver)
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
    await publish(
        session,
        GlassReviewed(
            tenant_id=by.tenant_id, waiver_id=waiver.id, version_id=waiver.version_id,
            gate=waiver.gate, upheld=upheld, addressees=await _concerned(session, waiver),
        ),
    )  # fmt: skip
    return waiver


async def _concerned(session: AsyncSession, waiver: Waiver) -> tuple[UUID, ...]:
    """Return who has to know how an emergency was judged: the model's owner, and who went past."""
    found = await catalog.versions_by_id(session, waiver.tenant_id, {waiver.version_id})
    model, _ = found[waiver.version_id]
    people = (model.owner_id, waiver.taken_by)
    return tuple(dict.fromkeys(person for person in people if person is not None))


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


async def denied_at(
    session: AsyncSession, tenant_id: UUID, version_ids: Collection[UUID]
) -> dict[UUID, list[tuple[UUID | None, datetime]]]:
    """Return where and when emergencies of versions were judged to have been none, by version.

    One of a validation is of no point: it concerns them all.
    """
    rows = await session.execute(
        select(Waiver.version_id, Waiver.point_id, Waiver.reviewed_at).where(
            Waiver.tenant_id == tenant_id,
            Waiver.version_id.in_(version_ids),
            Waiver.taken_by.is_not(None),
            Waiver.upheld.is_(False),
        )
    )
    found: dict[UUID, list[tuple[UUID | None, datetime]]] = {}
    for version_id, point_id, at in rows:
        assert at is not None  # noqa: S101 - it is judged when it is reviewed
        found.setdefault(version_id, []).append((point_id, at))
    return found
