"""Somebody is always left who can let people in."""

import asyncio
from uuid import UUID

import pytest

from app import identity
from app.bus import make_bus
from app.identity import PrincipalKind, Role, access, service
from app.identity.rules import LastAdministrator
from app.kit.actor import Actor
from app.platform.db import ALL_TENANTS, Database
from app.platform.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.fixture
async def house(empty_database: str) -> tuple[Database, Actor, UUID]:
    """A database with its first administrator."""
    database = Database(empty_database, Settings(), make_bus())
    async with database.transaction(ALL_TENANTS) as session:
        await identity.bootstrap(session)
        by = Actor.system(await identity.default_tenant(session))
        first = (await service.list_principals(session, cursor=None, limit=9, by=by)).items[0]
        return database, by, first.id


async def add(database: Database, by: Actor, name: str, role: Role, owner: str | None) -> UUID:
    kind = PrincipalKind.PERSON if owner is None else PrincipalKind.SERVICE
    async with database.transaction(ALL_TENANTS) as session:
        made = await service.create_principal(
            session, name=name, kind=kind, owner=owner, roles={role}, by=by
        )
        return made.id


async def disable(database: Database, by: Actor, who: UUID) -> bool:
    try:
        async with database.transaction(ALL_TENANTS) as session:
            await access.disable(session, who, by=by)
    except LastAdministrator:
        return False
    return True


async def test_the_last_administrator_stays(house: tuple[Database, Actor, UUID]) -> None:
    database, by, first = house
    other = await add(database, by, "olga", Role.DEVELOPER, None)

    assert not await disable(database, by, first)
    assert await disable(database, by, other)
    await add(database, by, "second", Role.ADMINISTRATOR, None)
    assert await disable(database, by, first)
    await database.close()


async def test_a_bot_of_the_last_administrator_is_no_other(
    house: tuple[Database, Actor, UUID],
) -> None:
    database, by, first = house
    await add(database, by, "bot", Role.ADMINISTRATOR, "administrator")

    assert not await disable(database, by, first)
    await database.close()


async def test_of_two_who_disable_each_other_one_is_left(
    house: tuple[Database, Actor, UUID],
) -> None:
    database, by, first = house
    second = await add(database, by, "second", Role.ADMINISTRATOR, None)

    done = await asyncio.gather(*(disable(database, by, who) for who in (first, second)))

    assert sorted(done) == [False, True]
    await database.close()
