"""What ensembles are made of, and what they are never made of."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from app import catalog
from app.audit import record
from app.bus import make_bus
from app.kit.actor import Actor
from app.platform.db import Database
from app.platform.settings import Settings
from tests.catalog.assets import content, make_ensemble, make_model, make_version, specifics
from tests.live import Live
from tests.platform.wire import problem_of, speaker
from tests.tenants import database_of


@pytest.fixture(scope="module")
def pair(live: Live) -> tuple[str, str]:
    return make_version(live), make_version(live, "rule_set")


def try_members(live: Live, model: str, *members: dict[str, Any], **more: Any) -> Any:
    sent = specifics("ensemble", members=list(members), **more)
    return speaker(live, "dev").post(f"/v1/models/{model}/versions", json=content(specifics=sent))


def member(model: str, version: int = 1, **more: Any) -> dict[str, Any]:
    return {"model": model, "version": version, **more}


def test_members_are_listed_in_their_order_with_roles_and_weights(
    live: Live, pair: tuple[str, str]
) -> None:
    one, two = pair
    model = make_model(live, "ensemble")
    named = member(two, role="meta", weight=2), member(one, role="base", weight=0.5)

    answer = try_members(live, model, *named, combiner="weighted_mean")

    assert answer.status_code == 201, answer.text
    path = f"/v1/models/{model}/versions/1/members"
    first = live["aud"].get(path, limit=1)
    found = list(live["aud"].pages(path, limit=1))
    assert first["next_cursor"]
    assert [(m["position"], m["model"], m["role"], m["weight"]) for m in found] == [
        (1, two, "meta", 2), (2, one, "base", 0.5),
    ]  # fmt: skip
    assert [m["kind"] for m in found] == ["rule_set", "machine_learning"]
    assert {m["stage"] for m in found} == {"published"}
    assert live["aud"].get(f"/v1/models/{one}/versions/1/members")["items"] == []


def test_a_member_that_does_not_exist_is_not_found(live: Live, pair: tuple[str, str]) -> None:
    model = make_model(live, "ensemble")

    refused = problem_of(
        try_members(live, model, member(pair[0]), member(pair[1], 7)), 404, "not_found"
    )

    assert f"{pair[1]}@7" in refused["detail"]


def test_an_ensemble_is_never_inside_of_its_own_model(live: Live, pair: tuple[str, str]) -> None:
    inner = make_ensemble(live, *pair)
    outer = make_ensemble(live, inner, pair[0])  # nested: that may be

    beside = try_members(live, inner, member(inner), member(pair[0]))
    around = try_members(live, inner, member(outer), member(pair[0]))

    for answer in (beside, around):
        assert problem_of(answer, 409, "ensemble_in_itself")["member"] == f"{inner}@1"
    assert live["dev"].get(f"/v1/models/{inner}")["last_number"] == 1


def test_what_is_retired_is_nobodys_member(live: Live, pair: tuple[str, str]) -> None:
    gone = make_version(live)
    model = make_model(live, "ensemble")
    version_id = live["dev"].get(f"/v1/models/{gone}/versions/1")["id"]
    asyncio.run(retire(live, version_id))

    refused = problem_of(
        try_members(live, model, member(pair[0]), member(gone)), 409, "member_retired"
    )

    assert refused["member"] == f"{gone}@1"
    instance = {"key": "i", "segment": {"state": "NSW"}}
    answer = speaker(live, "dev").post(f"/v1/models/{gone}/versions/1/instances", json=instance)
    problem_of(answer, 409, "version_retired")


def test_the_ensembles_around_a_version_are_known_at_any_depth(
    live: Live, pair: tuple[str, str]
) -> None:
    one = make_version(live)
    inner = make_ensemble(live, one, pair[0])
    outer = make_ensemble(live, inner, pair[1])
    version_id = live["dev"].get(f"/v1/models/{one}/versions/1")["id"]

    found = asyncio.run(around(live, version_id))

    assert found == sorted([(inner, 1), (outer, 1)])


def tenant_of(live: Live) -> UUID:
    return UUID(live.admin.get("/v1/me")["tenant_id"])


async def around(live: Live, version_id: str) -> list[tuple[str, int]]:
    database = Database(database_of(live), Settings(), make_bus())
    try:
        async with database.transaction(tenant_of(live)) as session:
            found = await catalog.ensembles_of(session, tenant_of(live), UUID(version_id))
            return [(model.name, version.number) for model, version in found]
    finally:
        await database.close()


async def retire(live: Live, version_id: str) -> None:
    """Write the stage as the activation's services do; a whole life is another test's."""
    database = Database(database_of(live), Settings(), make_bus())
    tenant = tenant_of(live)
    try:
        async with database.transaction(tenant) as session:
            version = await catalog.lock_version(session, tenant, UUID(version_id))
            await catalog.restage(session, version, catalog.Stage.RETIRED)
            await record(session, Actor.system(tenant), "version.retired", f"version:{version_id}")
    finally:
        await database.close()
