from collections.abc import Collection, Iterable
from uuid import UUID

from sqlalchemy import cast, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit
from app.identity.granting import give
from app.identity.rules import (
    Disabled,
    OwnerRequired,
    PrincipalKind,
    Role,
    StillActive,
    require_separable,
)
from app.identity.tables import Principal
from app.kit.actor import Actor
from app.kit.page import Rows
from app.kit.refusal import AlreadyExists, NotFound
from app.platform.db import page


async def create_principal(
    session: AsyncSession,
    *,
    name: str,
    kind: PrincipalKind,
    owner: str | None,
    roles: set[Role],
    by: Actor,
) -> Principal:
    """Add a person or a service account; roles that decide may have to be agreed to first."""
    by.require_point(None)
    require_separable(roles)
    if await session.scalar(select(Principal.id).filter_by(tenant_id=by.tenant_id, name=name)):
        raise AlreadyExists("principal", name)
    owner_id = None
    if kind is PrincipalKind.SERVICE:
        owner_id = await _person(session, by.tenant_id, owner)
    elif owner is not None:
        raise OwnerRequired("Only a service account has an owner; a person answers for himself.")
    principal = Principal(tenant_id=by.tenant_id, name=name, kind=kind, owner_id=owner_id, roles=[])
    session.add(principal)
    await session.flush()
    await give(session, principal, roles, reason="", by=by)
    await audit.record(
        session, by, "principal.created", f"principal:{principal.id}",
        kind=kind, roles=principal.roles, asked=sorted(roles - set(principal.roles)),
        owner_id=owner_id, personal={"name": name},
    )  # fmt: skip
    return principal


async def _person(session: AsyncSession, tenant_id: UUID, name: str | None) -> UUID:
    found = await session.scalar(
        select(Principal.id).filter_by(
            tenant_id=tenant_id, name=name, kind=PrincipalKind.PERSON, disabled_at=None
        )
    )
    if found is None:
        raise OwnerRequired(f"There is no active person {name!r} to answer for it.")
    return found


async def get_principal(
    session: AsyncSession, principal_id: UUID, *, by: Actor, lock: bool = False
) -> Principal:
    """Return a principal of the caller's tenant."""
    found = await session.get(Principal, (by.tenant_id, principal_id), with_for_update=lock or None)
    if found is None:
        raise NotFound("principal", principal_id)
    return found


async def principal_by_name(session: AsyncSession, tenant_id: UUID, name: str) -> Principal:
    """Return a principal by its name."""
    found = await session.scalar(select(Principal).filter_by(tenant_id=tenant_id, name=name))
    if found is None:
        raise NotFound("principal", name)
    return found


async def owner_of(session: AsyncSession, tenant_id: UUID, name: str) -> UUID:
    """Return the person who answers for the principal called ``name``."""
    found = await principal_by_name(session, tenant_id, name)
    if found.disabled_at is not None:
        raise Disabled(f"{name} is disabled and answers for nothing any more.")
    return found.person_id


async def names_of(session: AsyncSession, tenant_id: UUID, ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return the names of principals by id."""
    rows = await session.execute(
        select(Principal.id, Principal.name).where(
            Principal.tenant_id == tenant_id, Principal.id.in_(set(ids))
        )
    )
    return {row.id: row.name for row in rows}


async def people_in(session: AsyncSession, tenant_id: UUID, role: Role) -> list[UUID]:
    """Return the people who have a role and are here."""
    rows = await session.scalars(
        select(Principal.id)
        .filter_by(tenant_id=tenant_id, kind=PrincipalKind.PERSON, disabled_at=None)
        .where(cast(Principal.roles, JSONB).contains([role.value]))
        .order_by(Principal.id)
    )
    return list(rows)


async def list_principals(
    session: AsyncSession, *, cursor: str | None, limit: int, by: Actor
) -> Rows[Principal]:
    """List the tenant's principals by name."""
    query = select(Principal).filter_by(tenant_id=by.tenant_id)
    return await page(session, query, Principal.name, cursor=cursor, limit=limit)


async def disabled(
    session: AsyncSession, tenant_id: UUID, *, among: Collection[UUID] | None = None
) -> dict[UUID, str]:
    """Return who has left, by id: of these people, or of all."""
    query = select(Principal.id, Principal.name).where(
        Principal.tenant_id == tenant_id, Principal.disabled_at.is_not(None)
    )
    if among is not None:
        query = query.where(Principal.id.in_(among))
    return {row.id: row.name for row in await session.execute(query)}


async def erase(session: AsyncSession, principal_id: UUID, *, by: Actor) -> Principal:
    """Forget who a disabled principal was: its name here, and what the audit log tells of it.

    Its acts stay, under its id; chains and tree hold, for they cover salted commitments.
    """
    by.require_point(None)
    principal = await get_principal(session, principal_id, by=by, lock=True)
    if principal.disabled_at is None:
        raise StillActive(f"{principal.name} is active.")
    principal.name = f"erased-{principal.id.hex}"
    await session.flush()
    entries = await audit.erase(session, by.tenant_id, principal_id, f"principal:{principal_id}")
    await audit.record(
        session, by, "principal.erased", f"principal:{principal_id}", entries=entries
    )
    return principal
