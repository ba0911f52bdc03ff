"""Delegation: somebody decides in another's role for a while, under his own name."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit
from app.identity.issuing import began
from app.identity.rules import DECIDING, BeyondOwnRights, Disabled, PrincipalKind, Role
from app.identity.service import get_principal, principal_by_name
from app.identity.tables import Delegation, Principal
from app.kit.actor import Actor, Lent
from app.kit.page import Rows
from app.kit.refusal import Invalid, NotFound
from app.platform.db import page

LONGEST = timedelta(days=31)


class BadDelegation(Invalid):
    """The delegation is to nobody else, of no deciding role, or for too long."""

    code = "bad_delegation"
    title = "This cannot be delegated"
    mend = "Lend deciding roles that you have yourself, to another person, for at most 31 days."


async def delegate(
    session: AsyncSession, *, to: str, roles: set[Role], until: datetime, reason: str, by: Actor
) -> Delegation:
    """Let another person decide in roles of one's own until a date."""
    by.require_point(None)
    receiver = await principal_by_name(session, by.tenant_id, to)
    now = await began(session)
    if receiver.kind is not PrincipalKind.PERSON or receiver.id == by.person_id:
        raise BadDelegation("A delegation is to another person.")
    if by.id != by.person_id:
        raise BadDelegation("A service account has no roles of its own to delegate.")
    if receiver.disabled_at is not None:
        raise Disabled(f"{to} is disabled.")
    if idle := sorted(roles - DECIDING):
        raise BadDelegation(f"Only deciding roles are delegated, not {', '.join(idle)}.")
    if not now < until <= now + LONGEST:
        raise BadDelegation(f"A delegation ends within {LONGEST.days} days from now.")
    own = await get_principal(session, by.id, by=by)
    if missing := sorted(roles - (set(own.roles) & by.roles)):
        raise BeyondOwnRights(f"You do not have {', '.join(missing)} yourself.", exceeding=missing)
    if Role.ADMINISTRATOR in receiver.roles:
        raise BadDelegation("An administrator decides nothing, for others neither.")
    row = Delegation(
        tenant_id=by.tenant_id,
        from_id=by.person_id,
        to_id=receiver.id,
        roles=sorted(roles),
        until=until,
        reason=reason,
    )
    session.add(row)
    await session.flush()
    await session.refresh(row)
    await audit.record(
        session, by, "delegation.given", f"principal:{by.person_id}",
        to=receiver.id, roles=row.roles, until=until, personal={"reason": reason},
    )  # fmt: skip
    return row


async def end_delegation(session: AsyncSession, delegation_id: UUID, *, by: Actor) -> Delegation:
    """End a delegation before its time: by either side, or an administrator."""
    by.require_point(None)
    row = await session.get(Delegation, (by.tenant_id, delegation_id), with_for_update=True)
    if row is None:
        raise NotFound("delegation", delegation_id)
    if by.person_id not in {row.from_id, row.to_id} and "identity:manage" not in by.permissions:
        raise BeyondOwnRights("Only who gave it, who has it or an administrator ends a delegation.")
    if row.ended_at is None:
        row.ended_at = func.now()
        await session.flush()
        await session.refresh(row)
    await audit.record(
        session, by, "delegation.ended", f"principal:{row.from_id}", delegation=row.id
    )
    return row


async def list_delegations(
    session: AsyncSession, *, cursor: str | None, limit: int, by: Actor
) -> Rows[Delegation]:
    """List the tenant's delegations, newest first."""
    query = select(Delegation).filter_by(tenant_id=by.tenant_id)
    return await page(
        session, query, Delegation.at, Delegation.id, cursor=cursor, limit=limit, newest_first=True
    )


async def lent_to(session: AsyncSession, people: Collection[UUID]) -> dict[UUID, Lent]:
    """Return in whose roles people may decide now, as those others have them now."""
    rows = await session.execute(
        select(
            Delegation.to_id, Delegation.from_id, Delegation.roles, Principal.roles.label("held")
        )
        .join(
            Principal,
            (Principal.tenant_id == Delegation.tenant_id) & (Principal.id == Delegation.from_id),
        )
        .where(
            Delegation.to_id.in_(people),
            Delegation.ended_at.is_(None),
            Delegation.until > func.clock_timestamp(),
            Principal.disabled_at.is_(None),
        )
        .order_by(Delegation.at)
    )
    found: dict[UUID, Lent] = {}
    for row in rows:
        roles = frozenset(row.roles) & frozenset(row.held)
        found[row.to_id] = (*found.get(row.to_id, ()), (row.from_id, roles))
    return found
