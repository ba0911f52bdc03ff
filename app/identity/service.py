from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit
from app.identity import keys
from app.identity.events import TenantCreated
from app.identity.rules import (
    BeyondOwnRights,
    Disabled,
    LastAdministrator,
    OwnerRequired,
    PrincipalKind,
    Role,
)
from app.identity.tables import Key, Principal, Tenant
from app.kit.actor import Actor
from app.kit.ids import uuid7
from app.kit.page import Rows
from app.kit.refusal import AlreadyExists, NotFound
from app.platform.db import page
from app.platform.events import publish

DEFAULT_TENANT = "default"
ADMINISTRATOR = "administrator"


async def bootstrap(session: AsyncSession) -> str | None:
    """Make the first tenant and its administrator; return his key, once, or ``None`` later."""
    if await session.scalar(select(Tenant.id).limit(1)) is not None:
        return None
    tenant = Tenant(id=uuid7(), name=DEFAULT_TENANT)
    session.add(tenant)
    await session.flush()
    system = Actor.system(tenant.id)
    await audit.record(session, system, "tenant.created", f"tenant:{tenant.id}", name=tenant.name)
    await publish(session, TenantCreated(tenant_id=tenant.id, name=tenant.name))
    administrator = await create_principal(
        session,
        name=ADMINISTRATOR,
        kind=PrincipalKind.PERSON,
        owner=None,
        roles={Role.ADMINISTRATOR},
        by=system,
    )
    _, text = await issue_key(session, administrator, days=366, by=system)
    return text


async def default_tenant(session: AsyncSession) -> UUID:
    """Return the id of the tenant that a fresh installation starts with."""
    found = await session.scalar(select(Tenant.id).order_by(Tenant.created_at).limit(1))
    if found is None:
        raise NotFound("tenant", DEFAULT_TENANT)
    return found


async def tenants(session: AsyncSession) -> dict[str, UUID]:
    """Return every tenant by name, the oldest first."""
    rows = await session.execute(select(Tenant.name, Tenant.id).order_by(Tenant.created_at))
    return {row.name: row.id for row in rows}


async def create_principal(
    session: AsyncSession,
    *,
    name: str,
    kind: PrincipalKind,
    owner: str | None,
    roles: set[Role],
    by: Actor,
) -> Principal:
    """Add a person or a service account to the caller's tenant."""
    if await session.scalar(select(Principal.id).filter_by(tenant_id=by.tenant_id, name=name)):
        raise AlreadyExists("principal", name)
    owner_id = None
    if kind is PrincipalKind.SERVICE:
        owner_id = await _person(session, by.tenant_id, owner)
    elif owner is not None:
        raise OwnerRequired("Only a service account has an owner; a person answers for himself.")
    principal = Principal(
        tenant_id=by.tenant_id, name=name, kind=kind, owner_id=owner_id, roles=sorted(roles)
    )
    session.add(principal)
    await session.flush()
    await audit.record(
        session,
        by,
        "principal.created",
        f"principal:{principal.id}",
        personal={"name": name, "owner": owner},
        kind=kind,
        roles=sorted(roles),
        owner_id=owner_id,
    )
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


async def get_principal(session: AsyncSession, principal_id: UUID, *, by: Actor) -> Principal:
    """Return a principal of the caller's tenant."""
    found = await session.get(Principal, (by.tenant_id, principal_id))
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


async def list_principals(
    session: AsyncSession, *, cursor: str | None, limit: int, by: Actor
) -> Rows[Principal]:
    """List the tenant's principals by name."""
    query = select(Principal).filter_by(tenant_id=by.tenant_id)
    return await page(session, query, Principal.name, cursor=cursor, limit=limit)


async def issue_key(
    session: AsyncSession, principal: Principal, *, days: int, by: Actor
) -> tuple[Key, str]:
    """Make a key for a principal; the text is returned and not kept."""
    if principal.disabled_at is not None:
        raise Disabled(f"{principal.name} is disabled.")
    made = keys.make()
    now = await session.scalar(select(func.now()))
    assert now is not None  # noqa: S101 - now() has a value
    key = Key(
        tenant_id=principal.tenant_id,
        principal_id=principal.id,
        prefix=made.prefix,
        sha256=made.sha256,
        expires_at=now + timedelta(days=days),
    )
    session.add(key)
    await session.flush()
    await audit.record(
        session, by, "key.issued", f"principal:{principal.id}", prefix=key.prefix, days=days
    )
    return key, made.text


async def keys_of(
    session: AsyncSession, principal: Principal, *, cursor: str | None, limit: int
) -> Rows[Key]:
    """Return a principal's keys, newest first."""
    query = select(Key).filter_by(tenant_id=principal.tenant_id, principal_id=principal.id)
    return await page(
        session, query, Key.created_at, Key.id, cursor=cursor, limit=limit, newest_first=True
    )


async def disable(session: AsyncSession, principal_id: UUID, *, by: Actor) -> Principal:
    """Take a principal's access away, service accounts it answers for included."""
    principal = await get_principal(session, principal_id, by=by)
    await _require_another_administrator(session, principal)
    await session.execute(
        update(Principal)
        .where(
            Principal.tenant_id == by.tenant_id,
            (Principal.id == principal_id) | (Principal.owner_id == principal_id),
            Principal.disabled_at.is_(None),
        )
        .values(disabled_at=func.now())
        .execution_options(synchronize_session=False)
    )
    await session.refresh(principal)
    await audit.record(
        session,
        by,
        "principal.disabled",
        f"principal:{principal_id}",
        personal={"name": principal.name},
    )
    return principal


async def _require_another_administrator(session: AsyncSession, leaving: Principal) -> None:
    """Refuse to disable the last administrator; two who disable each other meet at the lock."""
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


async def revoke_key(session: AsyncSession, key_id: UUID, *, by: Actor) -> Key:
    """End a key; it stops working everywhere within five seconds."""
    key = await session.get(Key, (by.tenant_id, key_id), with_for_update=True)
    if key is None:
        raise NotFound("key", key_id)
    if key.principal_id != by.id and "identity:manage" not in by.permissions:
        raise BeyondOwnRights("Only an administrator ends the key of somebody else.")
    await session.execute(
        update(Key)
        .where(Key.tenant_id == by.tenant_id, Key.id == key_id, Key.revoked_at.is_(None))
        .values(revoked_at=func.now())
    )
    await session.refresh(key)
    await audit.record(
        session, by, "key.revoked", f"principal:{key.principal_id}", prefix=key.prefix
    )
    return key
