"""The hand-off: what the production team is given with a version, and its word that it takes it."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, gates, identity
from app.activation.events import HandedOff, HandOffAccepted
from app.activation.rules import HandOffChanged, NothingHandedOff, OwnHandOff
from app.activation.tables import Acceptance, HandOff
from app.gates import ActivationStep
from app.identity import Action
from app.kit.actor import Actor
from app.kit.canonical import digest as digest_of
from app.kit.page import Rows
from app.platform.db import page
from app.platform.events import publish

KIND = "hand_off"
_SAID = ("runbook", "contact", "service_level", "rollback_plan", "documents")
"""What rules may look at. Who is called at night and what else was said stays in the record, where
it can be erased."""
_RECORD = (*_SAID, "on_call", "notes")


async def give(
    session: AsyncSession, case_id: UUID, *, record: dict[str, Any], by: Actor
) -> HandOff:
    """Hand a version over to the production team, on new terms if it was handed over before.

    It is evidence as well: so it ends with the swap, and voids the verdict and the approvals that
    did not know it, an earlier acceptance among them.
    """
    case = await gates.case_of(session, case_id, by=by, kind=gates.CaseKind.ACTIVATION)
    await identity.require_right(
        session, by, Action.HAND_OFF, **gates.place(case), roles=gates.roles_in(case, by)
    )
    said = {name: record[name] for name in _SAID} | {"on_call": record["on_call"] is not None}
    await gates.add_evidence(
        session, case_id, ActivationStep.MODEL_ACTIVATION, kind=KIND, payload=said, by=by
    )
    row = HandOff(
        tenant_id=by.tenant_id,
        case_id=case_id,
        digest=digest_of({"case": case_id, **record}),
        giver_id=by.person_id,
        **record,
    )
    session.add(row)
    await session.flush()
    await session.refresh(row)
    private = {name: record[name] for name in ("contact", "on_call", "notes")}
    await audit.record(
        session, by, "hand_off.given", f"version:{case.version_id}",
        case=case_id, hand_off=row.id, digest=row.digest, personal=private,
    )  # fmt: skip
    await publish(session, HandedOff(tenant_id=by.tenant_id, case_id=case_id, hand_off_id=row.id))
    return row


async def accept(session: AsyncSession, case_id: UUID, *, digest: str, by: Actor) -> HandOff:
    """Take over what was handed off, as one of the production team read it."""
    case = await gates.case_of(session, case_id, by=by, kind=gates.CaseKind.ACTIVATION)
    await identity.require_right(
        session, by, Action.ACCEPT_HAND_OFF, **gates.place(case), roles=gates.roles_in(case, by)
    )
    await gates.lock_case(session, case_id, by.tenant_id)
    row = await newest(session, case)
    if row is None:
        raise NothingHandedOff("There is no hand-off to accept.", filled={"case_id": case_id})
    if by.person_id in {row.giver_id, case.developer_id}:
        part = "gave it" if by.person_id == row.giver_id else "developed the version"
        raise OwnHandOff(f"{by.name} {part} and does not take it over.")
    if row.digest != digest:
        raise HandOffChanged("What you looked at is not what is handed off.", digest=row.digest)
    if await session.get(Acceptance, (by.tenant_id, row.id)) is not None:
        raise HandOffChanged("This hand-off was accepted before.")
    session.add(
        Acceptance(
            tenant_id=by.tenant_id,
            hand_off_id=row.id,
            case_id=case_id,
            person_id=by.person_id,
            digest=digest,
        )
    )
    await session.flush()
    await audit.record(
        session, by, "hand_off.accepted", f"version:{case.version_id}",
        case=case_id, hand_off=row.id, digest=digest,
    )  # fmt: skip
    await publish(
        session, HandOffAccepted(tenant_id=by.tenant_id, case_id=case_id, hand_off_id=row.id)
    )
    return row


async def newest(session: AsyncSession, case: gates.Case) -> HandOff | None:
    """Return the hand-off of a case that counts."""
    return await session.scalar(
        select(HandOff)
        .filter_by(tenant_id=case.tenant_id, case_id=case.id)
        .order_by(HandOff.at.desc(), HandOff.id.desc())
        .limit(1)
    )


async def list_hand_offs(
    session: AsyncSession, case_id: UUID, *, cursor: str | None, limit: int, by: Actor
) -> Rows[HandOff]:
    """List what was handed off in an activation, newest first."""
    case = await gates.case_of(session, case_id, by=by, kind=gates.CaseKind.ACTIVATION)
    query = select(HandOff).filter_by(tenant_id=by.tenant_id, case_id=case.id)
    return await page(
        session, query, HandOff.at, HandOff.id, cursor=cursor, limit=limit, newest_first=True
    )


async def shown(
    session: AsyncSession, tenant_id: UUID, rows: list[HandOff]
) -> list[dict[str, Any]]:
    """Return hand-offs with who gave and who took them."""
    query = select(Acceptance).where(
        Acceptance.tenant_id == tenant_id, Acceptance.hand_off_id.in_([row.id for row in rows])
    )
    taken = {taking.hand_off_id: taking for taking in await session.scalars(query)}
    people = {row.giver_id for row in rows} | {taking.person_id for taking in taken.values()}
    names = await identity.names_of(session, tenant_id, people)
    return [
        {
            **{name: getattr(row, name) for name in (*_RECORD, "id", "case_id", "digest")},
            "given_by": names.get(row.giver_id),
            "at": row.at,
            "accepted_by": names.get(taking.person_id) if taking else None,
            "accepted_at": taking.at if taking else None,
        }
        for row in rows
        for taking in (taken.get(row.id),)
    ]


async def traced(session: AsyncSession, case: gates.Case) -> dict[str, Any] | None:
    """Return the hand-off of a case as a trace tells it."""
    row = await newest(session, case)
    return None if row is None else (await shown(session, case.tenant_id, [row]))[0]


async def measure(session: AsyncSession, case: gates.Case, *, by: Actor) -> None:
    """Measure the hand-off, if one was recorded: what was given, who took it, what is in order."""
    row = await newest(session, case)
    if row is None:
        return
    taking = await session.get(Acceptance, (case.tenant_id, row.id))
    await gates.add_evidence(
        session,
        case.id,
        ActivationStep.MODEL_ACTIVATION,
        kind=KIND,
        payload={
            **{name: getattr(row, name) for name in _SAID},
            "on_call": row.on_call is not None,
            "record": row.digest,
            "given_by": row.giver_id,
            "accepted": taking is not None,
            "accepted_by": taking and taking.person_id,
            "compliant": await _compliant(session, case),
        },
        by=by,
        measured=True,
    )


async def _compliant(session: AsyncSession, case: gates.Case) -> dict[str, bool]:
    version = await catalog.version_by_id(session, case.tenant_id, case.version_id)
    assert case.point_id is not None  # noqa: S101 - an activation has a point
    unsound = await gates.unsound(session, case.tenant_id, version.id, case.point_id)
    card, lineage = version.card, version.lineage
    return {
        "card": bool(card.get("summary") and card.get("intended_use")),
        "variables": bool(version.signature.get("inputs")),
        "documents": bool(card.get("documents")),
        "lineage": bool(lineage.get("commit") or lineage.get("run")),
        "foundations": not unsound,
    }
