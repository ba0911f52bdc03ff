"""Tenants: the first one, and the key that lets somebody in."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit
from app.identity.events import TenantCreated
from app.identity.issuing import issue_key
from app.identity.rights import begin_rights
from app.identity.rules import PrincipalKind, Role
from app.identity.service import create_principal
from app.identity.tables import Tenant
from app.kit.actor import Actor
from app.kit.ids import uuid7
from app.kit.refusal import AlreadyExists, NotFound
from app.platform.events import publish

DEFAULT_TENANT = "default"
ADMINISTRATOR = "administrator"


async def bootstrap(session: AsyncSession) -> str | None:
    """Make the first tenant and its administrator; return his key, once, or ``None`` later.

    Tenants that an earlier release made are given what they lack.
    """
    if known := await tenants(session):
        for tenant_id in known.values():
            await begin_rights(session, tenant_id)
        return None
    return await create_tenant(session, DEFAULT_TENANT)


async def create_tenant(session: AsyncSession, name: str) -> str:
    """Make a tenant and its administrator; return his key, which is shown here only."""
    if await session.scalar(select(Tenant.id).filter_by(name=name)) is not None:
        raise AlreadyExists("tenant", name)
    tenant = Tenant(id=uuid7(), name=name)
    session.add(tenant)
    await session.flush()
    system = Actor.system(tenant.id)
    await audit.record(
        session, system, "tenant.created", f"tenant:{tenant.id}", name=name, wrote={}
    )
    await publish(session, TenantCreated(tenant_id=tenant.id, name=name))
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


async def tenant_name(session: AsyncSession, tenant_id: UUID) -> str:
    """Return a tenant's name."""
    found: str = (
        await session.execute(select(Tenant.name).where(Tenant.id == tenant_id))
    ).scalar_one()
    return found


async def tenants(session: AsyncSession) -> dict[str, UUID]:
    """Return every tenant by name, the oldest first."""
    rows = await session.execute(select(Tenant.name, Tenant.id).order_by(Tenant.created_at))
    return {row.name: row.id for row in rows}
