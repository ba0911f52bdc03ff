"""The command line beside a running server, and alone."""

import asyncio
import json
import os
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from app.audit import merkle, record, verify_export
from app.bus import make_bus
from app.client import Client, Problem
from app.demo.server import tamper
from app.kit.actor import Actor
from app.platform.db import Database
from app.platform.embedded import EmbeddedPostgres
from app.platform.settings import Settings
from tests.live import Live, make_model, start, wait_signed
from tests.system.processes import family, modelward, nothing_left, one_line
from tests.tenants import database_of


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server of this module's own: its audit log is tampered with."""
    home = tmp_path_factory.mktemp("served")
    with nothing_left(home), start(home) as found:
        yield found


def test_a_key_made_on_the_command_line_works_at_once(served: Live) -> None:
    arguments = ("keys", "create", "carol", "--role", "auditor", "--days", "1")

    done = modelward(*arguments, data_dir=served.data_dir)

    key = done.stdout.strip()
    me = httpx.get(f"{served.url}/v1/me", headers={"Authorization": f"Bearer {key}"})
    assert (done.returncode, done.stderr) == (0, "")
    assert (me.json()["name"], me.json()["roles"]) == ("carol", ["auditor"])


def test_a_tenant_made_on_the_command_line_has_an_administrator_and_nothing_of_others(
    served: Live,
) -> None:
    make_model(served)

    done = modelward("tenants", "create", "subsidiary", data_dir=served.data_dir)
    again = modelward("tenants", "create", "subsidiary", data_dir=served.data_dir)
    listed = modelward("tenants", "list", data_dir=served.data_dir).stdout.split()

    with Client(served.url, done.stdout.strip()) as administrator:
        me = administrator.get("/v1/me")
        assert administrator.get("/v1/models")["items"] == []
        assert administrator.get("/v1/policies/high")["revision"] == 1
    assert (done.returncode, me["roles"]) == (0, ["administrator"])
    assert (again.returncode, "already exists" in again.stderr) == (1, True)
    assert {"default", "subsidiary", me["tenant_id"]} <= set(listed)


def test_the_schema_of_a_running_server_is_up_to_date(served: Live) -> None:
    done = modelward("db", "upgrade", data_dir=served.data_dir)

    assert done.returncode == 0
    assert done.stdout.startswith("The schema is at ")
    assert httpx.get(f"{served.url}/readyz").status_code == 200


def test_openapi_prints_what_the_server_serves(served: Live) -> None:
    done = modelward("openapi")

    assert done.returncode == 0
    assert json.loads(done.stdout) == httpx.get(f"{served.url}/openapi.json").json()


def test_an_exported_log_is_verified_without_server_and_database(
    served: Live, tmp_path: Path
) -> None:
    make_model(served)
    wait_signed(served)
    export, kept = tmp_path / "log.jsonl", tmp_path / "kept.note"
    auditor = {"Authorization": f"Bearer {served.keys['aud']}"}
    kept.write_text(httpx.get(f"{served.url}/v1/audit/checkpoint", headers=auditor).text)
    make_model(served)
    wait_signed(served)
    keys = modelward("audit", "key", data_dir=served.data_dir).stdout.splitlines()
    key = next(line.split()[-1] for line in keys if line.startswith("default: "))

    done = modelward("audit", "export", str(export), data_dir=served.data_dir)
    offline = ("audit", "verify", "--export", str(export), "--key", key, "--checkpoint", str(kept))
    sound = modelward(*offline, "--json")
    export.write_text(export.read_text().replace("model.created", "model.deleted", 1))
    edited = modelward(*offline, "--json")

    assert (done.returncode, sound.returncode, edited.returncode) == (0, 0, 1)
    report = json.loads(sound.stdout)
    assert report["ok"]
    assert report["entries"] >= report["signed"] > 0
    assert json.loads(edited.stdout)["faults"][0]["stream"].startswith("model:")
    assert served["aud"].get("/v1/audit/log")["key"] == key
    streamed = httpx.get(f"{served.url}/v1/audit/export", headers=auditor)
    assert streamed.headers["content-type"] == "application/jsonl"
    assert verify_export(streamed.content.splitlines(), key, [kept.read_text()]).ok


def test_proofs_over_http_hold_against_the_signed_checkpoint(served: Live) -> None:
    make_model(served)
    wait_signed(served)
    entry = served["aud"].get("/v1/audit", limit=1, action="model.created")["items"][0]

    found = served["aud"].get(
        "/v1/audit/proofs/inclusion", stream=entry["stream"], seq=entry["seq"]
    )
    grown = served["aud"].get("/v1/audit/proofs/consistency", old_size=3)
    note = served["aud"].get("/v1/audit/checkpoints")["items"][0]

    root = b64decode(note["root"])
    path, leaf = [b64decode(item) for item in found["path"]], b64decode(found["leaf"])
    assert merkle.proves_inclusion(leaf, found["index"], note["size"], path, root)
    path, old = [b64decode(item) for item in grown["path"]], b64decode(grown["old_root"])
    assert merkle.proves_consistency(3, note["size"], old, root, path)
    with pytest.raises(Problem) as refusal:
        served["aud"].get("/v1/audit/proofs/consistency", old_size=1000000)
    assert refusal.value.code == "out_of_range"


def test_audit_verify_holds_until_somebody_edits_and_then_names_the_entry(served: Live) -> None:
    make_model(served)
    entry = next(e for e in served["aud"].pages("/v1/audit") if e["action"] == "model.created")

    sound = modelward("audit", "verify", "--json", data_dir=served.data_dir)
    tamper(served.data_dir, entry["stream"], entry["seq"], "dev")
    edited = modelward("audit", "verify", data_dir=served.data_dir)

    assert (sound.returncode, sound.stderr) == (0, "")
    assert json.loads(sound.stdout)["ok"]
    assert edited.returncode == 1
    assert [line for line in edited.stdout.splitlines() if line.startswith("BAD:")] == [
        (
            f"BAD: {entry['stream']} entry {entry['seq']}: the personal data is not what was"
            " committed to"
        )
    ]
    assert not served["aud"].post("/v1/audit:verify")["ok"]


def test_what_was_there_before_an_upgrade_is_listed_and_adopted_only_when_told_to(
    served: Live,
) -> None:
    old = str(uuid4())
    name = f"(no tenant) {old}"
    asyncio.run(upgraded(database_of(served), UUID(old)))
    arguments = ("audit", "adopt", "--tenant", name)

    listed = modelward(*arguments, data_dir=served.data_dir)
    again = modelward(*arguments, data_dir=served.data_dir)
    adopted = modelward(*arguments, "--yes", data_dir=served.data_dir)
    nothing = modelward(*arguments, data_dir=served.data_dir)
    young = modelward("audit", "adopt", "--tenant", "default", "--yes", data_dir=served.data_dir)

    key, count, advice = listed.stdout.splitlines()
    assert (listed.returncode, again.stdout) == (1, listed.stdout)
    assert key.startswith(f"{name}: catalog_model/")
    assert (count, "--yes" in advice) == (f"{name}: 1 rows of which no entry tells.", True)
    assert (adopted.returncode, adopted.stdout.strip()) == (0, f"{name}: 1 rows adopted.")
    assert (nothing.returncode, "0 rows" in nothing.stdout) == (0, True)
    assert (young.returncode, "from its first entry on" in young.stdout) == (1, True)


async def upgraded(url: str, tenant: UUID) -> None:
    """Leave a model of an older release, and an entry of this one, which tells of no row."""
    database = Database(url, Settings(), make_bus())
    try:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await connection.execute(
                "INSERT INTO catalog_model (tenant_id, id, name, kind, risk_tier, owner_id,"
                " purpose, tags, last_number, revision, created_at) VALUES (%s,"
                " gen_random_uuid(), 'older', 'rules', 'low', gen_random_uuid(), '', '{}', 0, 1,"
                " '2020-01-01')",
                (tenant,),
            )
        async with database.transaction(tenant) as session:
            await record(session, Actor.system(tenant), "noted", f"tenant:{tenant}", wrote={})
    finally:
        await database.close()


def test_alone_each_command_starts_the_database_and_stops_it_again(tmp_path: Path) -> None:
    with nothing_left(tmp_path):
        made = modelward("keys", "create", "dave", "--role", "developer", data_dir=tmp_path)
        assert (made.returncode, made.stderr) == (0, "")
        assert family(tmp_path) == set()

        found = modelward("audit", "verify", data_dir=tmp_path)
        assert found.returncode == 0, found.stdout
        assert family(tmp_path) == set()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(EmbeddedPostgres(tmp_path).url, connect_timeout=2)


def test_a_directory_without_data_is_not_verified_but_refused_with_a_sentence(
    tmp_path: Path,
) -> None:
    with nothing_left(tmp_path):
        done = modelward("audit", "verify", data_dir=tmp_path / "mistyped")

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(one_line(done.stderr)) < 200


def test_the_demo_is_not_told_among_people_who_live_there(served: Live) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app", "demo", "--url", served.url],
        env={**os.environ, "MODELWARD_ADMIN_KEY": served.admin_key, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "modelward tenants create" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_whoever_has_the_machine_lets_an_approver_in_where_none_is_left(served: Live) -> None:
    made = modelward("tenants", "create", "locked-out", data_dir=served.data_dir)
    with Client(served.url, made.stdout.strip()) as boss:
        young = Live(served.url, "", served.data_dir, served.process, served.log, {"admin": boss})
        only = boss.post("/v1/principals", {"name": "only", "roles": ["committee"]})
        young.invited(only["id"])
        boss.post(f"/v1/principals/{only['id']}:disable")
        waits = boss.post("/v1/principals", {"name": "next", "roles": ["committee"]})
        gaps = boss.get("/v1/adherence")["totals"]["nobody_approves"]
        arguments = ("keys", "create", "rescuer", "--role", "committee", "--tenant", "locked-out")
        done = modelward(*arguments, data_dir=served.data_dir)
        with Client(served.url, done.stdout.strip()) as rescuer:
            young.invited(waits["id"])
            word = {"reason": "it is she"}
            agreed = rescuer.post(f"/v1/changes/{waits['change_id']}:approve", word)
        after = boss.get("/v1/adherence")["totals"]["nobody_approves"]

    assert (waits["roles"], gaps > 0) == ([], True)
    assert (done.returncode, agreed["result"], after) == (0, "applied", 0)
