"""Invitations: how a person gets his first key without anybody else ever holding it."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit
from app.identity import keys
from app.identity.actors import actor_of
from app.identity.granting import rest, working_key
from app.identity.issuing import began, issue_key
from app.identity.rules import (
    BadInvitation,
    BeyondOwnRights,
    Disabled,
    NotAPerson,
    PrincipalKind,
)
from app.identity.service import get_principal
from app.identity.tables import Invitation, Key, Principal
from app.kit.actor import Actor

HOURS = 72


async def invite(session: AsyncSession, principal_id: UUID, *, by: Actor) -> tuple[Invitation, str]:
    """Make a one-time code for somebody else's first key; older ones end."""
    by.require_point(None)
    # The person's row is held, so that of two invitations one is the newest.
    principal = await get_principal(session, principal_id, by=by, lock=True)
    if principal.kind is not PrincipalKind.PERSON:
        raise NotAPerson(f"{principal.name} is a service account.", filled={"id": principal.id})
    if principal.id == by.person_id:
        raise BeyondOwnRights("Nobody invites himself; make a key with the one you have.")
    if principal.disabled_at is not None:
        raise Disabled(f"{principal.name} is disabled.")
    if await working_key(session, principal):
        raise BeyondOwnRights(
            f"{principal.name} has a key that works, and makes others with it. If it is lost, end"
            " it first: who has it sees that it no longer works."
        )
    older = await session.scalars(
        select(Invitation).filter_by(
            tenant_id=by.tenant_id, principal_id=principal.id, ended_at=None
        )
    )
    for one in older:
        one.ended_at = func.now()
    await rest(session, principal, reason="invited", by=by)
    made = keys.make(keys.INVITATION)
    invitation = Invitation(
        tenant_id=by.tenant_id,
        principal_id=principal.id,
        prefix=made.prefix,
        sha256=made.sha256,
        created_by=by.id,
        expires_at=await began(session) + timedelta(hours=HOURS),
    )
    session.add(invitation)
    await session.flush()
    await audit.record(
        session, by, "principal.invited", f"principal:{principal.id}",
        prefix=made.prefix, hours=HOURS, roles=principal.roles,
    )  # fmt: skip
    return invitation, made.text


async def redeem(session: AsyncSession, code: str, *, days: int) -> tuple[Key, str]:
    """Turn a code into its person's key, once; whoever comes second waits and is refused."""
    if not keys.well_formed(code, keys.INVITATION):
        raise BadInvitation("This is not an invitation of this server.")
    found = await session.scalar(
        select(Invitation).where(Invitation.sha256 == keys.fingerprint(code))
    )
    if found is None:
        raise BadInvitation("The code is unknown, used, replaced by a newer one or expired.")
    # The person first, then the invitation: as ``invite`` locks them.
    whose = (found.tenant_id, found.principal_id)
    principal = await session.get_one(Principal, whose, with_for_update=True)
    await session.refresh(found, with_for_update=True)
    now = await began(session)
    if found.ended_at is not None or found.expires_at <= now or principal.disabled_at is not None:
        raise BadInvitation("The code is unknown, used, replaced by a newer one or expired.")
    found.ended_at = now
    person = actor_of(principal)
    await audit.record(
        session, person, "invitation.redeemed", f"principal:{principal.id}", prefix=found.prefix
    )
    return await issue_key(session, principal, days=days, by=person)
