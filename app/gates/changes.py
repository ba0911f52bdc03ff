"""Change requests: governed things are edited with their before and after, and with approval.

Whoever owns a thing asks ``propose`` before it edits: under change control the edit becomes a
request, otherwise it goes ahead. When enough people have approved, ``ChangeApproved`` is published
and the owner carries the edit out in the same transaction.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, identity
from app.gates.counting import counted, lent_in
from app.gates.events import ChangeApproved, ChangeAsked
from app.gates.rules import (
    AlreadyDecided,
    ApprovalVoid,
    ChangeClosed,
    NotInChange,
    NotTheRequester,
    SelfApproval,
)
from app.gates.tables import Change, ChangeDecision
from app.identity import Action, Governed
from app.kit.actor import Actor
from app.kit.canonical import digest as digest_of
from app.kit.canonical import plain
from app.kit.page import Rows
from app.kit.refusal import NotFound, Refusal
from app.kit.revision import ConditionMissing, Stale
from app.platform.db import Json, clock, page
from app.platform.events import publish

_DAYS = 30


async def propose(
    session: AsyncSession,
    kind: Governed,
    target: str,
    *,
    expected: int | None,
    before: dict[str, Any] | None,
    after: dict[str, Any],
    reason: str,
    developer_id: UUID | None = None,
    scope: Mapping[str, object] | None = None,
    grave: bool = False,
    by: Actor,
) -> Change | None:
    """Open a change request if ``kind`` is under change control; else return ``None``.

    ``scope`` is the tier, model and point it is about: who may approve can be limited to those.
    What is ``grave`` is always under control: where the rights do not say how, as a waiver is.
    """
    rights = await identity.rights_of(session, by.tenant_id)
    control = rights.change_control.get(kind)
    if control is None and grave:
        control = rights.change_control[Governed.WAIVER]
    if control is None:
        return None
    before, after = plain(before), plain(after)
    now = await clock(session)
    change = Change(
        tenant_id=by.tenant_id,
        kind=kind,
        target=target,
        expected=expected,
        before=before,
        after=after,
        reason=reason,
        digest=_digest(kind, target, expected, before, after),
        requester_id=by.person_id,
        principal_id=by.id,
        developer_id=developer_id,
        scope={name: value for name, value in (scope or {}).items() if value is not None},
        approvals=control.approvals,
        roles=sorted(control.roles),
        expires_at=now + timedelta(days=_DAYS),
    )
    session.add(change)
    await session.flush()
    await session.refresh(change)
    await audit.record(
        session, by, "change.asked", _stream(change),
        kind=kind, target=target, expected=expected, digest=change.digest,
        before=before, after=after, personal={"reason": reason}, **_version(change),
    )  # fmt: skip
    await publish(
        session,
        ChangeAsked(
            tenant_id=by.tenant_id, change_id=change.id, kind=kind.value, target=target, by=by.id
        ),
    )
    return change


async def decide_change(
    session: AsyncSession, change_id: UUID, *, approved: bool, reason: str, by: Actor
) -> Change:
    """Approve or reject a change; the last approval that is needed carries it out."""
    change = await _open(session, change_id, by=by)
    stands = _digest(change.kind, change.target, change.expected, change.before, change.after)
    if stands != change.digest:
        raise ApprovalVoid("The change is not what was asked.", changed=[change.target])
    parts = _conflicts(change)
    if by.person_id in parts:
        raise SelfApproval(f"{by.name} {parts[by.person_id]} and cannot decide on the change.")
    roles = by.deciding(parts)
    await identity.require_right(session, by, Action.APPROVE_CHANGE, roles=roles, **change.scope)
    if not roles & set(change.roles):
        raise NotInChange(
            f"This change is approved by {' or '.join(change.roles)}.", roles=change.roles
        )
    session.add(
        ChangeDecision(
            tenant_id=by.tenant_id,
            change_id=change.id,
            approved=approved,
            reason=reason,
            person_id=by.person_id,
            principal_id=by.id,
            requester_id=change.requester_id,
            developer_id=change.developer_id,
            roles=sorted(roles),
            lent=lent_in(by, parts),
            digest=change.digest,
        )
    )
    try:
        await session.flush()
    except IntegrityError as error:
        raise AlreadyDecided(f"{by.name} has decided on this change.") from error
    await audit.record(
        session, by, "change.approved" if approved else "change.rejected", _stream(change),
        digest=change.digest, personal={"reason": reason}, **_version(change),
    )  # fmt: skip
    if not approved:
        await _close(session, change, "rejected", by=by)
        return change
    if await _agreed(session, change):
        await _carry_out(session, change)
        await _close(session, change, "applied", by=by)
    return change


async def _agreed(session: AsyncSession, change: Change) -> bool:
    """Say whether enough people who are still here have approved, nobody in another's place.

    Where the rights ask for more by now than when the change was asked, they hold.
    """
    rows = await session.scalars(
        select(ChangeDecision)
        .filter_by(tenant_id=change.tenant_id, change_id=change.id, approved=True)
        .order_by(ChangeDecision.at)
    )
    given = list(rows)
    left = await identity.disabled(session, change.tenant_id, among={r.person_id for r in given})
    here = [row for row in given if row.person_id not in left]
    people = [item for item in counted(here) if set(item["roles"]) & set(change.roles)]
    control = (await identity.rights_of(session, change.tenant_id)).change_control.get(change.kind)
    return len(people) >= max(change.approvals, control.approvals if control else 0)


def _digest(
    kind: Governed, target: str, expected: int | None, before: Json | None, after: Json
) -> str:
    return digest_of([kind, target, expected, before, after])


def _conflicts(change: Change) -> dict[UUID, str]:
    """Return who took part in what a change is about, and how."""
    part = change.after.get("part", "opened the case")
    found = {UUID(person): part for person in change.after.get("barred", ())}
    if change.developer_id is not None:
        found[change.developer_id] = "developed the version"
    return found | {change.requester_id: "asked for it"}


async def _carry_out(session: AsyncSession, change: Change) -> None:
    try:
        await publish(
            session,
            ChangeApproved(
                tenant_id=change.tenant_id,
                change_id=change.id,
                kind=change.kind.value,
                target=change.target,
                expected=change.expected,
                after=change.after,
                requester_id=change.principal_id,
            ),
        )
    except (Stale, ConditionMissing, NotFound, identity.Disabled) as error:
        said: Refusal = error
        raise ApprovalVoid(
            f"The {change.kind} {change.target} is not what the change was asked against:"
            f" {said.detail}",
            changed=[change.target],
        ) from error


async def withdraw_change(session: AsyncSession, change_id: UUID, *, by: Actor) -> Change:
    """End a change request that its maker no longer pursues."""
    change = await _open(session, change_id, by=by, expired_too=True)
    by.require_point(change.scope.get("point"))
    if change.requester_id != by.person_id:
        raise NotTheRequester("Only who asked withdraws a change request.")
    await _close(session, change, "withdrawn", by=by)
    return change


async def _open(
    session: AsyncSession, change_id: UUID, *, by: Actor, expired_too: bool = False
) -> Change:
    change = await session.get(
        Change, (by.tenant_id, change_id), with_for_update=True, populate_existing=True
    )
    if change is None:
        raise NotFound("change request", change_id)
    if change.closed_at is not None:
        raise ChangeClosed(f"This change was {change.result}.", result=change.result)
    now = await clock(session)
    if change.expires_at <= now and not expired_too:
        raise ChangeClosed("This change request has expired.", result="expired")
    return change


async def _close(session: AsyncSession, change: Change, result: str, *, by: Actor) -> None:
    change.closed_at = func.clock_timestamp()
    change.result = result
    await session.flush()
    await session.refresh(change)
    await audit.record(
        session, by, f"change.{result}", _stream(change), target=change.target, **_version(change)
    )


async def change_of(session: AsyncSession, change_id: UUID, *, by: Actor) -> Change:
    """Return a change request of the caller's tenant."""
    found = await session.get(Change, (by.tenant_id, change_id))
    if found is None:
        raise NotFound("change request", change_id)
    return found


async def decisions_on(session: AsyncSession, change: Change) -> list[ChangeDecision]:
    """Return who said what on a change."""
    query = select(ChangeDecision).filter_by(tenant_id=change.tenant_id, change_id=change.id)
    return list(await session.scalars(query.order_by(ChangeDecision.at)))


async def list_changes(
    session: AsyncSession, *, waiting: bool, cursor: str | None, limit: int, by: Actor
) -> Rows[Change]:
    """List change requests, newest first; all of them, or those that wait for approval."""
    query = select(Change).filter_by(tenant_id=by.tenant_id)
    if by.points is not None:
        query = query.where(Change.scope["point"].astext.in_(by.points))
    if waiting:
        query = query.where(Change.closed_at.is_(None), Change.expires_at > func.clock_timestamp())
    return await page(
        session, query, Change.at, Change.id, cursor=cursor, limit=limit, newest_first=True
    )


def _version(change: Change) -> dict[str, Any]:
    """Return the version a change is about, so that its own history tells of it."""
    named = change.after.get("version_id")
    return {} if named is None else {"version_id": named}


def _stream(change: Change) -> str:
    return f"change:{change.id}"
