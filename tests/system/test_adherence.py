"""Adherence names the gaps; who has left is forgotten, and the log still holds."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import event, func, select

from app.bus import make_bus
from app.client import Client, Problem
from app.platform.db import Database
from app.platform.embedded import EmbeddedPostgres
from app.platform.settings import Settings
from app.revalidation.adherence import findings
from app.routing import Seat
from tests.live import Live, champion
from tests.tenants import another


@pytest.fixture(scope="module")
def bank(live: Live) -> Iterator[Live]:
    """A tenant of our own, whose gaps are counted."""
    with another(live) as found:
        yield found


def totals(bank: Live) -> dict[str, int]:
    found: dict[str, int] = bank["aud"].get("/v1/adherence")["totals"]
    return found


def test_adherence_names_what_is_waived_invalid_orphaned_and_unreviewed(bank: Live) -> None:
    place = champion(bank)
    before = totals(bank)
    leaver, key = bank.newcomer("developer")
    name = next(p["name"] for p in bank.admin.pages("/v1/principals") if p["id"] == leaver)
    with Client(bank.url, key) as developer:
        developer.post(
            "/v1/models",
            {"name": "left-behind", "risk_tier": "low", "owner": name, "purpose": "A test."},
        )
    bank.admin.post(f"/v1/principals/{leaver}:disable")
    mine = next(
        item
        for item in bank["aud"].pages("/v1/adherence/champions")
        if item["decision_point"] == place.point
    )
    path = f"/v1/cases/{mine['case_id']}/steps/model_deployment:break-glass"
    bank["ops"].post(path, {"reason": "a test"})
    with without_approvals(bank, mine["case_id"]):
        after, found = totals(bank), bank["aud"].get("/v1/adherence")["findings"]

    assert {rule["state"] for rule in mine["rules"] if rule["severity"] == "block"} == {"holds"}
    assert {rule["rule"] for rule in mine["rules"] if rule["state"] == "fails"} == {
        "nothing_undocumented", "reported",
    }  # fmt: skip
    assert mine["findings"] == []
    assert mine["revalidation_due"] > mine["since"]
    unreviewed = next(f for f in found if f["kind"] == "emergency_unreviewed")
    assert "/v1/waivers/" in unreviewed["detail"]
    assert "@" in unreviewed["subject"]
    for kind in ("orphaned_model", "emergency_unreviewed", "approval_invalid"):
        assert after[kind] == before[kind] + 1, kind
    assert {"kind": "orphaned_model", "subject": "left-behind",
            "detail": f"its owner {name} has left"} in found  # fmt: skip
    champion_name = f"{place.model}@{place.version} at {place.point}"
    assert ("approval_invalid", champion_name) in {(f["kind"], f["subject"]) for f in found}


@contextmanager
def without_approvals(bank: Live, case_id: str) -> Iterator[None]:
    """What nobody may do: somebody does it, past triggers and rights, and undoes it."""
    with psycopg.connect(EmbeddedPostgres(bank.data_dir).url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        mine = connection.execute(
            "CREATE TEMP TABLE kept AS SELECT * FROM gates_approval WHERE case_id = %s::uuid",
            (case_id,),
        )
        assert mine.rowcount > 0
        connection.execute("DELETE FROM gates_approval WHERE id IN (SELECT id FROM kept)")
        yield
        connection.execute("INSERT INTO gates_approval SELECT * FROM kept")


def test_who_has_left_is_forgotten_and_the_log_still_holds(bank: Live) -> None:
    person, key = bank.newcomer("developer", "committee")
    name = next(p["name"] for p in bank.admin.pages("/v1/principals") if p["id"] == person)
    with Client(bank.url, key) as leaver:
        body = {"name": "of-a-leaver", "risk_tier": "low", "owner": name, "purpose": "A test."}
        leaver.post("/v1/models", body)
    others = {**body, "name": "of-another", "owner": "dev"}
    bank["dev"].post("/v1/models", others)
    bank["dev"].post("/v1/models", {**others, "name": "of-another-yet", "owner": name})
    bank["dev"].patch("/v1/models/of-another", {"owner": name}, revision=1)
    account = {"name": "a-leavers", "kind": "service", "owner": name, "roles": ["application"]}
    bank.admin.post("/v1/principals", account)
    bank.admin.post(f"/v1/principals/{person}:assign", {"roles": ["developer"]})
    bank.admin.post(f"/v1/principals/{person}:disable")
    bank.admin.post(f"/v1/principals/{person}:enable")
    with pytest.raises(Problem) as active:
        bank.admin.post(f"/v1/principals/{person}:erase")
    bank.admin.post(f"/v1/principals/{person}:disable")
    forgotten = bank.admin.post(f"/v1/principals/{person}:erase")
    entries = list(bank["aud"].pages("/v1/audit", limit=200, actor_id=person))

    assert active.value.code == "still_active"
    assert forgotten["name"] == f"erased-{person.replace('-', '')}"
    assert {"model.created"} <= {entry["action"] for entry in entries}
    assert all(entry["erased"] and entry["actor_name"] is None for entry in entries)
    told = list(bank["aud"].pages("/v1/audit", limit=200))
    assert [entry for entry in told if name in str(entry)] == []
    assert bank["aud"].post("/v1/audit:verify")["faults"] == []


async def queries_for(bank: Live, tenant: UUID) -> tuple[int, int]:
    """How many seats there are, and how many statements a report takes."""
    database = Database(EmbeddedPostgres(bank.data_dir).url, Settings(), make_bus())
    asked: list[str] = []
    try:
        async with database.snapshot(tenant) as session:
            seats = await session.scalar(
                select(func.count()).select_from(Seat).filter_by(tenant_id=tenant, until=None)
            )
            event.listen(
                database.engine.sync_engine, "before_cursor_execute",
                lambda _c, _u, statement, *_: asked.append(statement),
            )  # fmt: skip
            await findings(session, tenant)
    finally:
        await database.close()
    return seats or 0, len(asked)


def test_a_report_asks_as_often_for_many_champions_as_for_one(bank: Live) -> None:
    tenant = UUID(bank.admin.get("/v1/me")["tenant_id"])
    champion(bank)
    before = asyncio.run(queries_for(bank, tenant))
    for _ in range(2):
        champion(bank)
    after = asyncio.run(queries_for(bank, tenant))

    assert after[0] == before[0] + 2
    assert after[1] == before[1] < 45
