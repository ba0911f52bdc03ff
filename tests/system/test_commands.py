"""The command line beside a running server, and alone."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from app.demo.server import tamper
from app.platform.embedded import EmbeddedPostgres
from tests.live import Live, make_model, start
from tests.system.processes import family, modelward, nothing_left, one_line


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


def test_the_schema_of_a_running_server_is_up_to_date(served: Live) -> None:
    done = modelward("db", "upgrade", data_dir=served.data_dir)

    assert done.returncode == 0
    assert done.stdout.startswith("The schema is at ")
    assert httpx.get(f"{served.url}/readyz").status_code == 200


def test_openapi_prints_what_the_server_serves(served: Live) -> None:
    done = modelward("openapi")

    assert done.returncode == 0
    assert json.loads(done.stdout) == httpx.get(f"{served.url}/openapi.json").json()


def test_audit_verify_holds_until_somebody_edits_and_then_names_the_entry(served: Live) -> None:
    make_model(served)
    entry = next(e for e in served["aud"].pages("/v1/audit") if e["action"] == "model.created")

    sound = modelward("audit", "verify", "--json", data_dir=served.data_dir)
    tamper(served.data_dir, entry["stream"], entry["seq"])
    edited = modelward("audit", "verify", data_dir=served.data_dir)

    assert (sound.returncode, sound.stderr) == (0, "")
    assert json.loads(sound.stdout)["ok"]
    assert edited.returncode == 1
    assert [line for line in edited.stdout.splitlines() if line.startswith("BAD:")] == [
        f"BAD: {entry['stream']} entry {entry['seq']}: the entry does not match its hash"
    ]
    assert not served["aud"].post("/v1/audit:verify")["ok"]


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
