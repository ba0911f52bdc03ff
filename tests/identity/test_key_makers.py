"""A key ends with the key it was made with: whoever stole one keeps nothing of it."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.bus import make_bus
from app.client import Client, Problem
from app.identity import bootstrap
from app.identity.actors import actor_of
from app.identity.issuing import make_key
from app.identity.revoking import Revoked, revoke_key
from app.identity.tables import Key, Principal
from app.platform.db import ALL_TENANTS, Database
from app.platform.settings import Settings
from tests.live import Live, unique
from tests.tenants import another


@pytest.fixture(scope="module")
def bank(live: Live) -> Iterator[Live]:
    with another(live) as found:
        yield found


class Held:
    """A key of somebody, and what is made with it."""

    def __init__(self, bank: Live, key: dict[str, Any]) -> None:
        self.bank, self.id, self.prefix, self.text = bank, key["id"], key["prefix"], key["key"]
        self.key = key

    def make(self, principal: str | None = None, **terms: Any) -> "Held":
        with Client(self.bank.url, self.text) as client:
            path = f"/v1/principals/{principal or self.key['principal_id']}/keys"
            return Held(self.bank, client.post(path, {"days": 1, **terms}))

    def revoke(self, other: "Held") -> Any:
        with Client(self.bank.url, self.text) as client:
            return client.post(f"/v1/keys/{other.id}:revoke")


def first(bank: Live, *roles: str) -> Held:
    person, text = bank.newcomer(*roles)
    key = next(bank.admin.pages(f"/v1/principals/{person}/keys"))
    return Held(bank, {**key, "key": text})


def standing(bank: Live, *keys: Held) -> list[bool]:
    return [
        next(row for row in bank.admin.pages(f"/v1/principals/{key.key['principal_id']}/keys")
             if row["id"] == key.id)["revoked_at"] is None
        for key in keys
    ]  # fmt: skip


def test_what_was_made_with_a_key_ends_with_it_through_every_generation(bank: Live) -> None:
    stolen = first(bank, "developer")
    child = stolen.make()
    grandchild = child.make()

    done = bank.admin.post(f"/v1/keys/{stolen.id}:revoke")

    assert (child.key["maker_key_id"], stolen.key["maker_key_id"]) == (stolen.id, None)
    assert sorted(done["descendants"]) == sorted([child.prefix, grandchild.prefix])
    assert standing(bank, stolen, child, grandchild) == [False] * 3
    entries = bank.admin.get("/v1/audit", action="key.revoked")["items"]
    told = {entry["details"]["prefix"]: entry["details"] for entry in entries}
    assert sorted(told[stolen.prefix]["descendants"]) == sorted(done["descendants"])
    assert {told[one]["made_with"] for one in done["descendants"]} == {stolen.prefix}


def test_a_key_is_replaced_by_one_that_was_made_with_it(bank: Live) -> None:
    old = first(bank, "developer")
    other, new = old.make(), old.make()
    later = new.make()

    done = new.revoke(old)

    assert done["descendants"] == [other.prefix]
    assert standing(bank, old, other, new, later) == [False, False, True, True]


def test_whoever_ends_the_key_he_calls_with_ends_what_was_made_with_it(bank: Live) -> None:
    stolen = first(bank, "developer")
    child = stolen.make()

    stolen.revoke(stolen)

    assert standing(bank, stolen, child) == [False, False]


def test_a_thief_who_ended_the_key_himself_loses_what_he_made_all_the_same(bank: Live) -> None:
    stolen = first(bank, "developer")
    thiefs = stolen.make()
    thiefs.revoke(stolen)
    assert standing(bank, stolen, thiefs) == [False, True]

    again = bank.admin.post(f"/v1/keys/{stolen.id}:revoke")

    assert again["descendants"] == [thiefs.prefix]
    assert standing(bank, thiefs) == [False]


def test_a_key_ends_alone_where_that_is_said(bank: Live) -> None:
    administrator = first(bank, "administrator")
    body = {"name": unique("desk"), "kind": "service", "owner": "ops", "roles": ["application"]}
    desk = administrator.make(bank.admin.post("/v1/principals", body)["id"])

    done = bank.admin.post(f"/v1/keys/{administrator.id}:revoke?alone=true")
    assert (done["descendants"], standing(bank, administrator, desk)) == ([], [False, True])

    bank.admin.post(f"/v1/keys/{administrator.id}:revoke")
    assert standing(bank, desk) == [False]


_WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


async def waiting(session: AsyncSession) -> None:
    """Return when somebody waits for a lock."""
    async with asyncio.timeout(10):
        while not await session.scalar(_WAITING):  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.02)


@pytest.mark.anyio
async def test_a_key_that_is_just_being_made_ends_as_well(empty_database: str) -> None:
    database = Database(empty_database, Settings(), make_bus())
    async with database.transaction(ALL_TENANTS) as session:
        await bootstrap(session)
    async with database.session(ALL_TENANTS) as session:
        administrator = (await session.scalars(select(Principal))).one()
        key = (await session.scalars(select(Key))).one()
    by = actor_of(administrator, key_id=key.id)

    async def end() -> Revoked:
        async with database.transaction(by.tenant_id) as session:
            return await revoke_key(session, key.id, alone=False, by=actor_of(administrator))

    async with database.transaction(by.tenant_id) as making, asyncio.TaskGroup() as group:
        terms: dict[str, Any] = {"days": 1, "roles": None, "points": None}
        child, _ = await make_key(making, by.id, **terms, by=by)
        ending = group.create_task(end())
        async with database.session(ALL_TENANTS) as watching:
            await waiting(watching)
        await making.commit()
    await database.close()

    assert [one.id for one in ending.result().descendants] == [child.id]


def test_nothing_is_made_with_a_key_that_has_ended_wherever_it_still_works(bank: Live) -> None:
    stolen = first(bank, "developer")
    child = stolen.make()
    bank.admin.post(f"/v1/keys/{stolen.id}:revoke")

    # Each key is known to the process for some seconds yet; both are tried within them.
    for late in (stolen, child):
        with pytest.raises(Problem) as refusal:
            late.make()
        assert refusal.value.code == "unauthenticated"
