"""Whose operation is next: tenants take turns, and none has all the hands of a worker."""

from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from app import identity
from app.bus import make_bus
from app.kit.actor import Actor
from app.platform.db import ALL_TENANTS, Database
from app.platform.settings import Settings
from app.release import operations
from app.release.operation_rules import OperationKind

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db(empty_database: str) -> AsyncIterator[Database]:
    found = Database(empty_database, Settings(), make_bus())
    yield found
    await found.close()


async def tenants_of(db: Database) -> tuple[UUID, UUID]:
    """A tenant that asks for much, and one that asks for little."""
    async with db.transaction(ALL_TENANTS) as session:
        for name in ("greedy", "modest"):
            await identity.create_tenant(session, name)
        known = await identity.tenants(session)
    return known["greedy"], known["modest"]


async def asked_for(db: Database, tenant: UUID, times: int) -> None:
    async with db.transaction(tenant) as session:
        for number in range(times):
            await operations.begin(
                session, OperationKind.INTEGRATION_RUN,
                about={"decision_points": []}, request={"number": number},
                by=Actor.system(tenant),
            )  # fmt: skip


async def test_none_has_all_the_hands_of_a_worker(db: Database) -> None:
    greedy, modest = await tenants_of(db)
    await asked_for(db, greedy, 20)

    first = await operations.claim(db, most=16, held={}, each=12)
    full = await operations.claim(db, most=4, held={greedy: 12}, each=12)
    await asked_for(db, modest, 2)
    then = await operations.claim(db, most=4, held={greedy: 11}, each=12)

    assert Counter(row.tenant_id for row in first) == {greedy: 12}
    assert full == []
    assert Counter(row.tenant_id for row in then) == {greedy: 1, modest: 2}


async def test_tenants_take_turns(db: Database) -> None:
    greedy, modest = await tenants_of(db)
    await asked_for(db, greedy, 5)
    await asked_for(db, modest, 2)

    found = await operations.claim(db, most=4, held={}, each=12)

    assert Counter(row.tenant_id for row in found) == {greedy: 2, modest: 2}
