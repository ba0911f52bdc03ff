"""Access: who is let in, in which roles, and who is not any more."""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit
from app.identity.granting import give, rest, working_key
from app.identity.rules import (
    BeyondOwnRights,
    Disabled,
    LastAdministrator,
    NoKeyYet,
    PrincipalKind,
    Role,
    require_separable,
)
from app.identity.service import get_principal
from app.identity.tables import Principal
from app.kit.actor import Actor
from app.kit.revision import Stale


async def disable(session: AsyncSession, principal_id: UUID, *, by: Actor) -> Principal:
    """Take a principal's access away, service accounts it answers for included."""
    by.require_point(None)
    principal = await get_principal(session, principal_id, by=by)
    await _require_another_administrator(session, principal)
    leaving = await session.scalars(
        select(Principal)
        .where(
            Principal.tenant_id == by.tenant_id,
            (Principal.id == principal_id) | (Principal.owner_id == principal_id),
            Principal.disabled_at.is_(None),
        )
        .order_by(Principal.id)
        .with_for_update()
    )
    for one in leaving:
        one.disabled_at = func.now()
    await session.flush()
    await session.refresh(principal)
    await audit.record(
        session,
        by,
        "principal.disabled",
        f"principal:{principal_id}",
        personal={"name": principal.name},
    )
    return principal


async def enable(session: AsyncSession, principal_id: UUID, *, by: Actor) -> Principal:
    """Let a principal back in, not the accounts it answers for; keys that are still good work.

    What it decided before, it decides again when others agree.
    """
    by.require_point(None)
    principal = await get_principal(session, principal_id, by=by, lock=True)
    if principal.owner_id is not None:
        owner = await get_principal(session, principal.owner_id, by=by)
        if owner.disabled_at is not None:
            raise Disabled(f"{owner.name} is disabled and answers for nothing any more.")
    principal.disabled_at = None
    await rest(session, principal, reason="let back in", by=by)
    await audit.record(
        session,
        by,
        "principal.enabled",
        f"principal:{principal_id}",
        roles=principal.roles,
        personal={"name": principal.name},
    )
    return principal


async def assign(
    session: AsyncSession, principal_id: UUID, *, roles: set[Role], reason: str = "", by: Actor
) -> Principal:
    """Give somebody else other roles; his keys follow within five seconds.

    What is taken away goes at once; roles that decide may have to be agreed to first.
    """
    by.require_point(None)
    require_separable(roles)
    principal = await get_principal(session, principal_id, by=by)
    if by.person_id in {principal.id, principal.owner_id}:
        raise BeyondOwnRights("Nobody changes his own roles, nor those of his machines.")
    if Role.ADMINISTRATOR not in roles:
        await _require_another_administrator(session, principal)
    await session.refresh(principal, with_for_update=True)
    before = sorted(principal.roles)
    await give(session, principal, roles, reason=reason, by=by)
    await _record(session, principal, before, by=by)
    return principal


async def grant(
    session: AsyncSession,
    principal_id: UUID,
    *,
    holding: list[str],
    roles: set[Role],
    change_id: UUID,
    by: Actor,
) -> Principal:
    """Give the roles that others have agreed to, if the principal is who it was then."""
    principal = await get_principal(session, principal_id, by=by, lock=True)
    if principal.disabled_at is not None:
        raise Disabled(f"{principal.name} is disabled.")
    if sorted(principal.roles) != sorted(holding) or principal.change_id != change_id:
        raise Stale(f"{principal.name}'s roles were decided on since.", roles=principal.roles)
    if principal.kind is PrincipalKind.PERSON and not await working_key(session, principal):
        raise NoKeyYet(f"{principal.name} has no key that works.")
    require_separable(roles)
    principal.roles = sorted(roles)
    await session.flush()
    await _record(session, principal, sorted(holding), by=by)
    return principal


async def _record(
    session: AsyncSession, principal: Principal, before: list[str], *, by: Actor
) -> None:
    await audit.record(
        session, by, "principal.assigned", f"principal:{principal.id}",
        before=before, roles=principal.roles, personal={"name": principal.name},
    )  # fmt: skip


async def _require_another_administrator(session: AsyncSession, leaving: Principal) -> None:
    """Keep the last administrator; two who disable each other meet at the lock."""
    rows = await session.scalars(
        select(Principal)
        .where(
            Principal.tenant_id == leaving.tenant_id,
            Principal.disabled_at.is_(None),
            Principal.roles.contains([Role.ADMINISTRATOR.value]),
        )
        .order_by(Principal.id)
        .with_for_update()
    )
    administrators = list(rows)
    if administrators and all(leaving.id in {row.id, row.owner_id} for row in administrators):
        raise LastAdministrator(f"{leaving.name} is the only administrator there is.")
