"""Keys: made within their maker's rights, and listed."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit
from app.identity import keys
from app.identity.granting import found
from app.identity.rules import (
    MACHINE,
    BeyondOwnRights,
    Disabled,
    PrincipalKind,
    require_within,
)
from app.identity.service import get_principal
from app.identity.tables import Key, Principal
from app.kit.actor import SYSTEM_ID, Actor
from app.kit.page import Rows
from app.platform.db import page
from app.platform.http.guard import Unauthenticated, require


async def issue_key(
    session: AsyncSession,
    principal: Principal,
    *,
    days: int,
    by: Actor,
    roles: Collection[str] | None = None,
    points: Collection[str] | None = None,
) -> tuple[Key, str]:
    """Make a key for a principal, nobody's rights asked; the text is returned and not kept."""
    if principal.disabled_at is not None:
        raise Disabled(f"{principal.name} is disabled.")
    until = await began(session) + timedelta(days=days)
    key, text = await add_key(
        session, principal, expires_at=until, roles=roles, points=points, by=by
    )
    await audit.record(
        session, by, "key.issued", f"principal:{principal.id}",
        prefix=key.prefix, days=days, roles=key.roles, points=key.points,
    )  # fmt: skip
    await found(session, principal.tenant_id, by=by)
    return key, text


async def add_key(
    session: AsyncSession,
    principal: Principal,
    *,
    expires_at: datetime,
    roles: Collection[str] | None,
    points: Collection[str] | None,
    by: Actor,
    rule_id: UUID | None = None,
) -> tuple[Key, str]:
    """Add a key's row; the caller has judged the rights and tells the audit log."""
    made = keys.make()
    key = Key(
        tenant_id=principal.tenant_id,
        principal_id=principal.id,
        prefix=made.prefix,
        sha256=made.sha256,
        roles=None if roles is None else sorted(roles),
        points=None if points is None else sorted(points),
        issuer_id=None if by.id == SYSTEM_ID else by.id,
        maker_key_id=by.key_id,
        rule_id=rule_id,
        expires_at=expires_at,
    )
    session.add(key)
    await session.flush()
    return key, made.text


async def began(session: AsyncSession) -> datetime:
    """Return the time at which the database began the transaction."""
    return (await session.execute(select(func.now()))).scalar_one()


async def make_key(
    session: AsyncSession,
    principal_id: UUID,
    *,
    days: int,
    roles: Collection[str] | None,
    points: Collection[str] | None,
    by: Actor,
) -> tuple[Key, str]:
    """Make a key that grants no more than its maker has."""
    principal = await get_principal(session, principal_id, by=by)
    calling = await _calling(session, by)
    if calling is not None and calling.rule_id is not None:
        raise BeyondOwnRights("A key that was made from a CI token makes no keys.")
    if principal.id != by.id:
        roles = _grantable(principal, roles, by)
    elif roles is not None:
        require_within(roles, by.roles, "roles")
    else:
        # As the key in hand: one that follows its principal makes one that does.
        roles = by.roles if calling is None else calling.roles
    if points is None:
        points = by.points
    else:
        require_within(points, by.points, "points")
    return await issue_key(session, principal, days=days, roles=roles, points=points, by=by)


async def _calling(session: AsyncSession, by: Actor) -> Key | None:
    """Return the key in hand, held so that nobody ends it before what is made with it is there.

    A process may not know yet that it was revoked; then nothing may come of it any more.
    """
    if by.key_id is None:
        return None
    key = await session.get_one(
        Key, (by.tenant_id, by.key_id), with_for_update={"read": True}, populate_existing=True
    )
    if key.revoked_at is not None:
        raise Unauthenticated("The key is unknown, revoked or expired.")
    return key


def _grantable(principal: Principal, asked: Collection[str] | None, by: Actor) -> Collection[str]:
    """Return the roles of a key for somebody else, if it is the caller's to make."""
    if principal.kind is PrincipalKind.PERSON:
        raise BeyondOwnRights(f"{principal.name} makes his own keys; an administrator invites him.")
    owns, manages = principal.owner_id == by.id, "identity:manage" in by.permissions
    if not (owns or manages):
        raise BeyondOwnRights(f"Who answers for {principal.name} makes its keys.")
    ceiling = (by.roles if owns else frozenset()) | (MACHINE if manages else frozenset())
    roles = principal.roles if asked is None else asked
    if not roles:
        raise BeyondOwnRights(f"{principal.name} has no roles until others agree to them.")
    require_within(roles, ceiling & frozenset(principal.roles), "roles")
    return roles


async def list_keys(
    session: AsyncSession, principal_id: UUID, *, cursor: str | None, limit: int, by: Actor
) -> Rows[Key]:
    """List a principal's keys: to itself, to who answers for it, and to who may see all."""
    principal = await get_principal(session, principal_id, by=by)
    if by.id not in {principal.id, principal.owner_id}:
        require(by, "identity:read")
    query = select(Key).filter_by(tenant_id=principal.tenant_id, principal_id=principal.id)
    return await page(
        session, query, Key.created_at, Key.id, cursor=cursor, limit=limit, newest_first=True
    )
