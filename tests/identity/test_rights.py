"""The matrix a tenant starts with is written down; each revision is read once."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.tables import AuditEntry
from app.bus import make_bus
from app.identity import bootstrap, rights_of
from app.identity.decisions import DEFAULT
from app.identity.rights import begin_rights, replace_rights, rights_row
from app.identity.tables import RightsRevision, Tenant
from app.kit.actor import SYSTEM_ID, Actor
from app.kit.ids import uuid7
from app.kit.refusal import NotFound
from app.platform.db import ALL_TENANTS, Database
from app.platform.settings import Settings
from tests.live import unique

pytestmark = pytest.mark.anyio


@pytest.fixture
async def fresh(empty_database: str) -> AsyncIterator[Database]:
    found = Database(empty_database, Settings(), make_bus())
    yield found
    await found.close()


async def make_tenant(session: AsyncSession) -> UUID:
    tenant = Tenant(id=uuid7(), name=unique("tenant"))
    session.add(tenant)
    await session.flush()
    return tenant.id


async def start(database: Database) -> None:
    async with database.transaction(ALL_TENANTS) as session:
        await bootstrap(session)


async def test_a_new_tenant_has_its_first_revision_and_an_entry_tells_of_it(
    fresh: Database,
) -> None:
    await start(fresh)

    async with fresh.session(ALL_TENANTS) as session:
        (row,) = await session.scalars(select(RightsRevision))
        entries = list(await session.scalars(select(AuditEntry).filter_by(action="rights.begun")))

    assert (row.revision, row.author_id) == (1, SYSTEM_ID)
    assert row.body == DEFAULT.model_dump(mode="json")
    assert [entry.details["digest"] for entry in entries] == [row.digest]
    assert "identity_rights/1" in entries[0].details["wrote"]


async def test_a_tenant_of_an_earlier_release_is_given_it_once_by_servers_that_start_together(
    fresh: Database, empty_database: str
) -> None:
    await start(fresh)
    with psycopg.connect(empty_database) as owner:
        owner.execute("ALTER TABLE identity_rights DISABLE TRIGGER USER")
        owner.execute("DELETE FROM identity_rights")
        owner.execute("ALTER TABLE identity_rights ENABLE TRIGGER USER")

    await asyncio.gather(*(start(fresh) for _ in range(4)))

    async with fresh.session(ALL_TENANTS) as session:
        (row,) = await session.scalars(select(RightsRevision))
    assert row.revision == 1


async def test_until_then_what_holds_is_what_everybody_starts_with(session: AsyncSession) -> None:
    tenant = await make_tenant(session)

    assert await rights_of(session, tenant) == DEFAULT
    with pytest.raises(NotFound):
        await rights_row(session, tenant)


async def test_many_acts_read_a_revision_once(session: AsyncSession) -> None:
    tenant = await make_tenant(session)
    await begin_rights(session, tenant)
    fewer = DEFAULT.model_copy(update={"grants": DEFAULT.grants[:-1]})

    first = [await rights_of(session, tenant) for _ in range(20)]
    await replace_rights(session, fewer, expected=1, by=Actor.system(tenant))
    later = [await rights_of(session, tenant) for _ in range(20)]

    assert {id(rights) for rights in first} == {id(first[0])}
    assert {id(rights) for rights in later} == {id(later[0])}
    assert (first[0], later[0]) == (DEFAULT, fewer)
