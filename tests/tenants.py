"""Tenants beside the first, which no API makes."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from app.audit import record
from app.bus import make_bus
from app.identity import PrincipalKind, Role, TenantCreated, create_principal, issue_key
from app.identity.tables import Tenant
from app.kit.actor import Actor
from app.kit.ids import uuid7
from app.platform.db import ALL_TENANTS, Database
from app.platform.embedded import EmbeddedPostgres
from app.platform.events import publish
from app.platform.settings import Settings
from tests.live import Live, unique


async def make_tenant(url: str, people: dict[str, set[Role]]) -> dict[str, str]:
    """Make a tenant of ``people`` with these roles; return their keys."""
    database = Database(url, Settings(), make_bus())
    keys = {}
    async with database.transaction(ALL_TENANTS) as session:
        tenant = Tenant(id=uuid7(), name=unique("tenant"))
        session.add(tenant)
        await session.flush()
        system = Actor.system(tenant.id)
        await record(session, system, "tenant.created", f"tenant:{tenant.id}", wrote={})
        await publish(session, TenantCreated(tenant_id=tenant.id, name=tenant.name))
        for name, roles in people.items():
            made = await create_principal(
                session, name=name, kind=PrincipalKind.PERSON, owner=None, roles=roles, by=system
            )
            _, keys[name] = await issue_key(session, made, days=1, by=system)
    await database.close()
    return keys


def database_of(live: Live) -> str:
    """Return the URL of a server's own database."""
    return EmbeddedPostgres(live.data_dir).url


@contextmanager
def another(live: Live) -> Iterator[Live]:
    """Another tenant of the same server, with everybody in it."""
    people = {"administrator": {Role.ADMINISTRATOR}}
    keys = asyncio.run(make_tenant(database_of(live), people))
    found = Live(live.url, keys["administrator"], live.data_dir, live.process, live.log)
    try:
        found.assemble()
        yield found
    finally:
        for client in found.people.values():
            client.__exit__(None, None, None)
