"""What stands in the tables is what the log tells of: edits beside it are found and located."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from app.audit import NothingOlder, Report, Unvouched, Vouched, adopt, record, untold, verify
from app.bus import make_bus
from app.gates.tables import Waiver
from app.kit.actor import Actor
from app.metadata import metadata
from app.platform.db import Database
from app.platform.settings import Settings
from tests.live import Live
from tests.system.holdings import Holdings
from tests.tenants import database_of

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
EDITS = {
    # Who may do what.
    "roles": "UPDATE identity_principal SET roles = '[\"committee\"]' WHERE {tenant} AND kind ="
    " 'service'",
    "owner": "UPDATE identity_principal SET owner_id = NULL, kind = 'person' WHERE {tenant} AND"
    " kind = 'service'",
    "let back in": "UPDATE identity_key SET expires_at = now() + interval '9 years' WHERE {tenant}",
    "key": "INSERT INTO identity_key (tenant_id, id, principal_id, prefix, sha256, expires_at)"
    " SELECT tenant_id, gen_random_uuid(), id, 'mwk_x', 'x', now() + interval '1 day'"
    " FROM identity_principal WHERE {tenant} LIMIT 1",
    "rights": "UPDATE identity_rights SET body = body || '{{\"change_control\": {{}}}}'"
    " WHERE {tenant}",
    "delegation": "UPDATE identity_delegation SET until = now() + interval '9 years'"
    " WHERE {tenant}",
    "trust": "UPDATE identity_trust_rule SET claims = '{{}}' WHERE {tenant}",
    # What was decided.
    "policy": "UPDATE gates_policy SET body = body || '{{\"revalidate_days\": 3000}}'"
    " WHERE {tenant}",
    "developer": "UPDATE gates_case SET developer_id = gen_random_uuid() WHERE {tenant}",
    "evidence": "UPDATE gates_evidence SET payload = '{{\"rows\": 1e9}}' WHERE {tenant}",
    "approval made up": "INSERT INTO gates_approval (tenant_id, id, case_id, step, approved,"
    " reason, principal_id, person_id, roles, requester_id, developer_id, digest, covers)"
    " SELECT tenant_id, gen_random_uuid(), case_id, 'other', true, '', principal_id, person_id,"
    " roles, requester_id, developer_id, digest, covers FROM gates_approval WHERE {tenant} LIMIT 1",
    "approval gone": "DELETE FROM gates_approval WHERE {tenant}",
    "approval turned": "UPDATE gates_approval SET approved = NOT approved WHERE {tenant}",
    "verdict": "UPDATE gates_verdict SET passed = NOT passed WHERE {tenant}",
    "change": "UPDATE gates_change SET after = '{{}}' WHERE {tenant}",
    "word on a change": "UPDATE gates_change_decision SET approved = NOT approved WHERE {tenant}",
    "waiver": "UPDATE gates_waiver SET until = now() + interval '9 years' WHERE {tenant}",
    # What is in production, and what it is measured by.
    "tier": "UPDATE catalog_model SET risk_tier = 'high' WHERE {tenant}",
    "stage": "UPDATE catalog_version SET stage = 'retired', returned_to = NULL WHERE {tenant}",
    "contract": "UPDATE catalog_decision_point SET contract = '{{}}' WHERE {tenant}",
    "member": "UPDATE catalog_member SET weight = 9 WHERE {tenant}",
    "member gone": "DELETE FROM catalog_member WHERE {tenant}",
    "instance": "UPDATE catalog_instance SET segment = '{{}}' WHERE {tenant}",
    "champion": "UPDATE routing_seat SET version_id = (SELECT id FROM catalog_version v WHERE"
    " v.tenant_id = routing_seat.tenant_id AND v.id <> routing_seat.version_id LIMIT 1)"
    " WHERE {tenant}",
    "reign": "UPDATE routing_seat SET since = since - interval '1 year' WHERE {tenant}",
    "plan": 'UPDATE routing_plan SET spec = spec || \'{{"salt": "x"}}\' WHERE {tenant}',
    "kpi": "UPDATE kpi_definition SET threshold = threshold - 1 WHERE {tenant}",
    "monitor": "UPDATE drift_monitor SET settings = '{{}}' WHERE {tenant}",
    # What is told of it later.
    "name": "UPDATE identity_principal SET name = name || '-not' WHERE {tenant}",
    "reason": "UPDATE gates_approval SET reason = 'never looked at it' WHERE {tenant}",
    "law of yesterday": "UPDATE gates_policy SET at = at - interval '300 days' WHERE {tenant}",
    "plan of yesterday": "UPDATE routing_plan SET at = at - interval '300 days' WHERE {tenant}",
    "founding": "UPDATE identity_tenant SET founded_at = NULL WHERE {own}",
    "invitation": "INSERT INTO identity_invitation (tenant_id, id, principal_id, prefix, sha256,"
    " created_by, expires_at) SELECT tenant_id, gen_random_uuid(), id, 'mwi_x', 'y', id,"
    " now() + interval '1 day' FROM identity_principal WHERE {tenant} LIMIT 1",
    "request": "DELETE FROM gates_request WHERE {tenant}",
    "alias": "UPDATE catalog_alias SET version_id = (SELECT id FROM catalog_version v WHERE"
    " v.tenant_id = catalog_alias.tenant_id AND v.id <> catalog_alias.version_id LIMIT 1)"
    " WHERE {tenant}",
    "purpose": "UPDATE catalog_model SET purpose = 'something else' WHERE {tenant}",
    "cause of a seat": "UPDATE routing_seat SET cause = 'rolled_back' WHERE {tenant}",
    "cause of a plan": "UPDATE routing_plan SET cause = 'rolled_back' WHERE {tenant}",
    "issuer of a key": "UPDATE identity_key SET issuer_id = gen_random_uuid() WHERE {tenant}",
    "name of a key": "UPDATE identity_key SET prefix = 'mwk_other' WHERE {tenant}",
    "price of a kpi": "UPDATE kpi_terms SET currency = 'USD' WHERE {tenant}",
    "author of a kpi": "UPDATE kpi_author SET person_id = gen_random_uuid() WHERE {tenant}",
    "name of a kpi": "UPDATE kpi_definition SET name = name || '-not' WHERE {tenant}",
    "process": "UPDATE kpi_scope SET kind = 'portfolio' WHERE {tenant} AND kind = 'process'",
    "point of a process": "DELETE FROM kpi_scope_point WHERE {tenant}",
    "process of a portfolio": "DELETE FROM kpi_scope_process WHERE {tenant}",
    "kpi of a process": "UPDATE kpi_scope_kpi SET threshold = threshold - 1 WHERE {tenant}",
    "name of an invitation": "UPDATE identity_invitation SET prefix = 'mwi_other' WHERE {tenant}",
    "review": "INSERT INTO revalidation_review (tenant_id, id, point_id, version_id, case_id,"
    " verdict_id, path, until) SELECT tenant_id, gen_random_uuid(), point_id, version_id, case_id,"
    " gen_random_uuid(), 'delivers_as_promised', now() FROM routing_seat WHERE {tenant} LIMIT 1",
    "alert": "INSERT INTO drift_alert (tenant_id, id, point_id, version_id, kind, subject, until)"
    " SELECT tenant_id, gen_random_uuid(), point_id, version_id, 'data', 'age', now()"
    " FROM routing_seat WHERE {tenant} LIMIT 1",
    "severity": "UPDATE drift_episode SET severity = 'notice' WHERE {tenant}",
    "silence": "UPDATE drift_silence SET until = now() + interval '9 years' WHERE {tenant}",
    "watch of yesterday": "UPDATE drift_monitor SET at = at - interval '300 days' WHERE {tenant}",
    # Where events go, and what their messages are signed with.
    "receiver": "UPDATE notifications_webhook SET url = 'https://elsewhere.example.com/'"
    " WHERE {tenant}",
    "purpose of a receiver": "UPDATE notifications_webhook SET description = 'x' WHERE {tenant}",
    "secret": "UPDATE notifications_secret SET secret = 'known to me' WHERE {tenant}",
    "reminder": "INSERT INTO revalidation_reminder (tenant_id, id, point_id, version_id, due,"
    " notice, days, addressees) SELECT tenant_id, gen_random_uuid(), point_id, version_id, now(),"
    " 'due', 7, '[]' FROM routing_seat WHERE {tenant} LIMIT 1",
    # A closed one: what stands open, the worker may close while it is looked at.
    "gap": "INSERT INTO revalidation_gap (tenant_id, id, point_id, version_id, signal, asked,"
    " found, closed_at, closed_as) SELECT tenant_id, gen_random_uuid(), point_id, version_id,"
    " 'events', 1, 2, now(), 'mended' FROM routing_seat WHERE {tenant} LIMIT 1",
    "baseline": "UPDATE telemetry_baseline SET profile = profile || 'x'::bytea WHERE {tenant}",
}


@pytest.fixture(scope="module")
def tenant(own: Holdings) -> UUID:
    return UUID(own.live.admin.get("/v1/me")["tenant_id"])


async def verified(url: str, tenant: UUID) -> Report:
    database = Database(url, Settings(), make_bus())
    try:
        return await verify(database, tenant)
    finally:
        await database.close()


@pytest.fixture
def edited(own: Holdings, tenant: UUID, request: Any) -> Iterator[str]:
    """A table edited by somebody whom no trigger stops; then put back as it was."""
    edit = EDITS[request.param]
    table = edit.split()[1 if edit.startswith("UPDATE") else 2]
    with psycopg.connect(database_of(own.live), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(f"CREATE TEMP TABLE kept AS SELECT * FROM {table}")
        done = connection.execute(
            edit.format(tenant=f"tenant_id = '{tenant}'", own=f"id = '{tenant}'")
        )
        assert done.rowcount > 0
        yield table
        with connection.transaction():
            connection.execute(f"DELETE FROM {table}")
            connection.execute(f"INSERT INTO {table} SELECT * FROM kept")


async def test_what_the_server_wrote_holds(own: Holdings, tenant: UUID) -> None:
    found = await verified(database_of(own.live), tenant)

    assert (found.ok, found.faults) == (True, [])
    assert found.rows > 50


@pytest.mark.parametrize("edited", EDITS, indirect=True)
async def test_an_edit_beside_the_log_is_found(own: Holdings, tenant: UUID, edited: str) -> None:
    found = await verified(database_of(own.live), tenant)

    assert not found.ok
    assert all(f"{edited}/" in fault.reason for fault in found.faults), found.faults
    # Over HTTP as well, for whoever has no shell on the machine.
    assert own.live["aud"].post("/v1/audit:verify")["ok"] is False


async def test_a_row_of_which_no_entry_tells_is_not_committed(live: Live, tenant: UUID) -> None:
    database = Database(database_of(live), Settings(), make_bus())
    nobody = UUID(int=1)
    waiver = Waiver(
        tenant_id=tenant, version_id=nobody, gate="g", rule="*", reason="", developer_id=nobody,
        until="2099-01-01T00:00:00Z",
    )  # fmt: skip
    try:
        with pytest.raises(Unvouched, match="gates_waiver"):
            async with database.transaction(tenant) as session:
                session.add(waiver)
    finally:
        await database.close()


async def test_rows_of_an_older_release_are_nobodys_word_until_they_are_adopted(
    live: Live,
) -> None:
    url = database_of(live)
    old = uuid4()
    model = (
        "INSERT INTO catalog_model (tenant_id, id, name, kind, risk_tier, owner_id, purpose, tags,"
        " last_number, revision, created_at) VALUES (%s, gen_random_uuid(), %s, 'rules', 'low',"
        " gen_random_uuid(), '', '{}', 0, 1, now() + make_interval(hours => %s))"
    )
    database = Database(url, Settings(), make_bus())
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(model, (old, "before", -1))
            async with database.transaction(old) as session:
                await record(session, Actor.system(old), "noted", f"tenant:{old}", wrote={})
            quiet = await verify(database, old)
            # By a process of the release before, while a newer one is at work.
            connection.execute(model, (old, "meanwhile", 1))
            strange = await verify(database, old)
            listed = await untold(database, old)
            adopted = [await adopt(database, old), await adopt(database, old)]
            told = await verify(database, old)
            left = await untold(database, old)
            # By somebody who read how it works, and sets the clock of his row back.
            connection.execute(model, (old, "forged", -9))
            forged = await verify(database, old)
            connection.execute("DELETE FROM catalog_model WHERE name = 'forged'")
            connection.execute(
                "UPDATE catalog_model SET name = name || 'x' WHERE tenant_id = %s", (old,)
            )
            edited = await verify(database, old)
    finally:
        await database.close()

    assert (quiet.faults, quiet.rows) == ([], 0)
    assert [fault.stream for fault in strange.faults] == ["row"]
    assert [key.partition("/")[0] for key in listed] == ["catalog_model"] * 2
    assert (adopted, told.faults, told.rows, left) == ([2, 0], [], 2, [])
    assert [fault.stream for fault in forged.faults] == ["row"]
    assert [fault.stream for fault in edited.faults] == [f"tenant:{old}"] * 2


async def test_an_adoption_of_nothing_ends_the_time_in_which_rows_may_be_older(live: Live) -> None:
    old = uuid4()
    database = Database(database_of(live), Settings(), make_bus())
    try:
        async with database.transaction(old) as session:
            await record(session, Actor.system(old), "noted", f"tenant:{old}", wrote={})
        adopted = [await adopt(database, old), await adopt(database, old)]
        with psycopg.connect(database.url, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO catalog_decision_point (tenant_id, id, key, kind, owner_id,"
                " description, contract, revision, created_at) VALUES (%s, gen_random_uuid(),"
                " 'forged', 'process', gen_random_uuid(), '', '{}', 1, '2020-01-01')",
                (old,),
            )
        found = await verify(database, old)
    finally:
        await database.close()

    assert (adopted, found.entries) == ([0, 0], 2)
    assert [fault.stream for fault in found.faults] == ["row"]


async def test_where_every_row_had_its_entry_from_the_first_nothing_is_adopted(
    own: Holdings, tenant: UUID
) -> None:
    url = database_of(own.live)
    forged = (
        "INSERT INTO gates_policy (tenant_id, tier, revision, body, digest, author_id, at) SELECT"
        " tenant_id, tier, revision + 1000, body, digest, author_id, '2020-01-01' FROM gates_policy"
        " WHERE tenant_id = %s LIMIT 1"
    )
    database = Database(url, Settings(), make_bus())
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(forged, (tenant,))
            try:
                for attempt in (adopt, untold):
                    with pytest.raises(NothingOlder, match="from its first entry on"):
                        await attempt(database, tenant)
                found = await verify(database, tenant)
            finally:
                connection.execute("SET session_replication_role = replica")
                connection.execute("DELETE FROM gates_policy WHERE revision > 1000")
    finally:
        await database.close()

    assert [fault.reason.split("/")[0] for fault in found.faults] == [
        "no entry tells of gates_policy"
    ]


async def test_a_row_that_was_deleted_by_an_act_is_not_missed_and_does_not_come_back(
    own: Holdings, tenant: UUID
) -> None:
    url, path = database_of(own.live), f"/v1/models/{own.place.model}/aliases/blue"
    bearer = {"Authorization": f"Bearer {own.live.keys['dev']}"}

    def delete() -> None:
        httpx.delete(own.live.url + path, headers=bearer).raise_for_status()

    own.live["dev"].put(path, {"number": 1})
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE TEMP TABLE kept AS SELECT * FROM catalog_alias WHERE name = 'blue'"
        )
        delete()
        gone = await verified(url, tenant)
        connection.execute("INSERT INTO catalog_alias SELECT * FROM kept")
        back = await verified(url, tenant)
    delete()

    assert gone.faults == []
    assert ["catalog_alias/" in fault.reason for fault in back.faults] == [True]
    assert (await verified(url, tenant)).faults == []


def test_governed_rows_are_written_one_by_one() -> None:
    """A statement over many rows would pass by what is kept for the next entry."""
    governed = {kind.__name__ for kind in Vouched.__subclasses__()}
    wrong = []
    for path in (ROOT / "app").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            named = {arg.id for arg in node.args if isinstance(arg, ast.Name)}
            if node.func.id in {"insert", "update", "delete"} and named & governed:
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")

    # When a key was last used decides nothing, nor which worker has an operation in hand.
    free = ("keyring", "release/operations.py")
    assert [place for place in wrong if not any(name in place for name in free)] == []


UNVOUCHED = {
    # The log itself, which verification recomputes.
    "audit_checkpoint", "audit_delivery", "audit_entry", "audit_leaf", "audit_log", "audit_node",
    "audit_pending", "audit_stream",
    "activation_look",  # when a worker last looked at a champion
    "catalog_search",  # an index over models and versions
    "catalog_descent",  # an index of what versions' lineages say, which are vouched for
    "drift_watch",  # how far a worker has got
    "drift_window",  # computed from profiles; what was decided on it stands in a verdict's facts
    "identity_oidc_use",  # that a token was used: the key it became is vouched for
    "notifications_outbox",  # tells of acts that have their entries
    # How far events have got on their way: the worker's notes.
    "notifications_delivery", "notifications_progress",
    "platform_idempotency",  # answers of the last hours, to be repeated
    "routing_generation",  # a counter: what changed is read from plans and seats
    "routing_point",  # likewise
    "telemetry_token_key",  # a secret: who can write it can read it, and sign with it
    # What applications send, by the million: evidence is what was measured on it.
    "telemetry_delta", "telemetry_event", "telemetry_event_own", "telemetry_given",
    "telemetry_hour",
    "telemetry_outcome", "telemetry_outcome_history", "telemetry_receipt",
    "telemetry_receipt_stored", "telemetry_series",
    "telemetry_segment", "telemetry_unknown",
    "telemetry_rehearser",  # who rehearsed is an entry
    "telemetry_erasure",  # who was erased is an entry; this keeps his late events out
    "telemetry_horizon",  # how far a worker has forgotten
    "kpi_scope_value",  # likewise of processes and portfolios
    "kpi_scope_look",  # the same as it was measured last
    "kpi_scope_standing",  # computed from profiles and what was reported; nothing is decided on it
    "kpi_late",  # hours that a worker is to look at again
    "kpi_value",  # what business systems sent; an entry has the digest of every report
}  # fmt: skip


def test_every_table_that_decides_is_vouched_for() -> None:
    kept = {kind.__tablename__ for kind in Vouched.__subclasses__()}  # type: ignore[attr-defined]

    assert set(metadata.tables) - kept == UNVOUCHED
