"""What the database makes of an entry is what the pure rules make of it."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import audit
from app.audit.chain import GENESIS, _said_by, commitment, flaw
from app.audit.sealing import mould, seal
from app.bus import make_bus
from app.kit.canonical import canonical
from app.platform.db import Database
from app.platform.settings import Settings
from tests.audit.chains import FACTS, TENANT
from tests.audit.logs import ACTOR, verified
from tests.strategies import TEXTS

SALT = b"s" * 16


@pytest.fixture
async def database(empty_database: str) -> AsyncIterator[Database]:
    found = Database(empty_database, Settings(pool_wait_seconds=10), make_bus())
    yield found
    await found.close()


@settings(max_examples=200, deadline=None)
@given(FACTS, TEXTS, st.integers(1, 2**53))
def test_a_body_in_three_parts_is_canonical_json(
    facts: dict[str, Any], stream: str, seq: int
) -> None:
    entry = seal(GENESIS, tenant_id=TENANT, stream=stream, seq=seq, salt=SALT, **facts)
    private = canonical(facts["personal"]).decode()

    assert entry.body is not None
    assert entry.body.encode() == canonical(_said_by(entry, personal=commitment(SALT, private)))
    assert flaw(GENESIS, entry) is None


def test_a_mould_keeps_what_the_entry_is_filed_under() -> None:
    version = str(UUID(int=5))
    made = mould(
        tenant_id=TENANT, stream="point:p", actor_id=ACTOR.id, action="act",
        details={"version_id": version}, personal={}, salt=SALT,
    )  # fmt: skip

    assert made.version_id == version


@pytest.mark.anyio
async def test_texts_of_every_sort_are_sealed_alike_in_the_database(database: Database) -> None:
    odd = 'quotes " and \\ and %s and %(at)s and \u2028 and \U0001f600 and \x1f'
    async with database.transaction(TENANT) as session:
        for value in (odd, 1e16, 2**60, -0.0, 1.5e-9, None, [odd, {odd: odd}]):
            await audit.record(session, ACTOR, odd, odd, value=value, personal={"said": odd})

    report = await verified(database)

    assert (report.ok, report.entries) == (True, 7)


@pytest.mark.anyio
async def test_many_who_begin_a_stream_at_once_leave_one_chain_in_order_of_time(
    database: Database,
) -> None:
    async def begin(number: int) -> None:
        async with database.transaction(TENANT) as session:
            for stream in ("new:1", "new:2", "new:3"):
                await audit.record(session, ACTOR, "begun", stream, number=number)

    await asyncio.gather(*(begin(number) for number in range(12)))

    assert (await verified(database)).ok
    query = "SELECT stream, seq, at FROM audit_entry ORDER BY stream, seq"
    async with await psycopg.AsyncConnection.connect(database.url) as connection:
        rows = await (await connection.execute(query)).fetchall()
    assert [row[1] for row in rows] == [*range(1, 13)] * 3
    assert all(one[2] < two[2] for one, two in pairwise(rows) if one[0] == two[0])
