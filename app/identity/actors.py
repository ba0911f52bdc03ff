"""Principals as they act."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.identity.rules import Disabled, permissions
from app.identity.tables import Principal
from app.kit.actor import Actor, Lent


def actor_of(
    principal: Principal,
    *,
    roles: Sequence[str] | None = None,
    points: Sequence[str] | None = None,
    key_id: UUID | None = None,
    lent: Lent = (),
) -> Actor:
    """Return a principal as it acts with a key of these roles and points; ``None`` means all."""
    held = frozenset(principal.roles)
    effective = held if roles is None else held & frozenset(roles)
    return Actor(
        id=principal.id,
        tenant_id=principal.tenant_id,
        name=principal.name,
        person_id=principal.person_id,
        roles=effective,
        permissions=permissions(effective.union(*(roles for _, roles in lent))),
        points=None if points is None else frozenset(points),
        key_id=key_id,
        lent=lent,
    )


async def acting(session: AsyncSession, tenant_id: UUID, principal_id: UUID) -> Actor:
    """Return somebody as the author of what he asked for before, now that it is carried out."""
    principal = await session.get_one(Principal, (tenant_id, principal_id))
    if principal.disabled_at is not None:
        raise Disabled(f"{principal.name} has left since he asked for it.")
    return actor_of(principal)
