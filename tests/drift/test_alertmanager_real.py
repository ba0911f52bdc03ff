"""What the real Alertmanager makes of what it is told."""

import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.drift.alertmanager import PATH
from app.platform.db import Database
from tests.drift.test_alertmanager import AT_ONCE, SETTINGS, manager
from tests.drift.watched import Watched, seated_bus
from tests.notifications.sinks import Sink, sink

pytestmark = pytest.mark.anyio

BINARY = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")


@pytest.fixture
async def db(empty_database: str) -> AsyncIterator[Database]:
    found = Database(empty_database, SETTINGS, seated_bus())
    yield found
    await found.close()


@dataclass(frozen=True)
class Real:
    """Alertmanager itself, and who is told by it."""

    url: str
    hook: Sink

    def alerts(self) -> dict[str, Any]:
        """What it holds, silenced or not, by subject."""
        found = httpx.get(self.url + PATH).json()
        return {one["labels"]["subject"]: one for one in found}

    def silences(self) -> list[Any]:
        """What it keeps to itself, of whomever."""
        found = httpx.get(f"{self.url}/api/v2/silences").json()
        return [one for one in found if one["status"]["state"] != "expired"]

    def silence(self, body: dict[str, Any]) -> None:
        """Have it keep something to itself, as anybody may."""
        httpx.post(f"{self.url}/api/v2/silences", json=body).raise_for_status()

    def told(self, subject: str, **labels: str) -> list[str]:
        """What it told of a subject, or of what has such labels beside: firing, or resolved."""
        wanted = {"subject": subject, **labels}
        return [
            alert["status"]
            for message in list(self.hook.got)
            for alert in message.event["alerts"]
            if alert["labels"].items() >= wanted.items()
        ]


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Real]:
    """Alertmanager itself, on a port of its own, which tells a webhook at once."""
    if BINARY is None:
        pytest.skip("Alertmanager is not installed")
    with sink(200) as hook:
        yield from _real(tmp_path, hook)


def _real(tmp_path: Path, hook: Sink) -> Iterator[Real]:
    assert BINARY is not None
    config = tmp_path / "alertmanager.yml"
    config.write_text(
        "route: {receiver: hook, group_by: [subject], group_wait: 50ms, group_interval: 200ms,"
        " repeat_interval: 400ms}\n"
        f"receivers: [{{name: hook, webhook_configs: [{{url: '{hook.url}'}}]}}]\n"
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                BINARY, f"--config.file={config}", f"--storage.path={tmp_path}/data",
                f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
            ],
            stdout=log, stderr=log,
        )  # fmt: skip
        try:
            wait(lambda: _ready(url))
            yield Real(url, hook)
        finally:
            process.terminate()
            process.wait(20)


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready").status_code == 200
    except httpx.TransportError:
        return False


def wait(true: Any) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


async def test_the_real_alertmanager_takes_what_fires_and_lets_go_of_what_is_over(
    here: Watched, db: Database, real: Real
) -> None:
    await here.window("x", "y", limits=AT_ONCE)
    there = manager(real.url)
    await there.push(db)

    wait(lambda: real.alerts().keys() == {"x", "y"})
    found = real.alerts()["x"]
    assert found["labels"]["alertname"] == "ModelwardDataDrift"
    assert found["annotations"]["next"].startswith("GET /v1/alerts/")
    assert found["status"]["state"] in {"active", "unprocessed"}
    (episode,) = await here.episodes()
    begun = datetime.fromisoformat(found["startsAt"])
    assert abs(begun - episode.at) < timedelta(milliseconds=2)

    await here.resolve()
    await there.push(db)
    wait(lambda: real.alerts().keys() == {"y"})


async def test_a_silence_keeps_it_from_telling_again_and_never_has_it_say_that_it_is_over(
    here: Watched, db: Database, real: Real
) -> None:
    await here.window("x", "y", limits=AT_ONCE)
    there = manager(real.url)
    await there.push(db)
    wait(lambda: real.told("x") and real.told("y"))
    row = await here.silence(subject="x")
    await there.push(db)
    await there.push(db)
    (quiet,) = real.silences()
    wait(lambda: real.alerts()["x"]["status"]["state"] == "suppressed")
    before = len(real.told("x"))
    again = len(real.told("y"))
    wait(lambda: len(real.told("y")) >= again + 3)

    assert real.told("x")[before + 1 :] == []  # one may have been on its way
    assert set(real.told("x")) == {"firing"}
    assert real.alerts()["y"]["status"]["state"] == "active"
    assert abs(datetime.fromisoformat(quiet["endsAt"]) - row.until) < timedelta(seconds=1)
    assert quiet["comment"] == f"GET /v1/alerts/{await here.alert()}"
    # It gets worse: as quiet.
    await here.window(severe=("x",), limits=AT_ONCE)
    await there.push(db)
    assert len(real.silences()) == 1
    wait(lambda: real.alerts()["x"]["status"]["state"] == "suppressed")
    assert real.told("x", severity="critical") == []
    await here.end_silence(row)
    await there.push(db)
    assert real.silences() == []
    # What it was before, a warning, may be told to be over in the same breath.
    wait(lambda: len(real.told("x", severity="critical")) > 1)
    assert set(real.told("x", severity="critical")) == {"firing"}


async def test_what_ends_while_it_is_silenced_is_said_to_be_over(
    here: Watched, db: Database, real: Real
) -> None:
    """And what others had it keep to itself is theirs."""
    theirs = {
        "matchers": [{"name": "a", "value": "b", "isRegex": False, "isEqual": True}],
        "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2126-01-01T00:00:00Z",
        "createdBy": "Modelward", "comment": "GET /v1/alerts/00000000-0000-0000-0000-000000000007",
    }  # fmt: skip
    real.silence(theirs)
    # Somebody has begun from one of ours and written on.
    written = {**theirs, "comment": "GET /v1/alerts/?state=firing is noisy"}
    real.silence(written)
    await here.window("x", limits=AT_ONCE)
    there = manager(real.url)
    await there.push(db)
    wait(lambda: real.told("x"))
    await here.silence(subject="x")
    await there.push(db)
    assert len(real.silences()) == 3
    await here.resolve()
    await there.push(db)

    wait(lambda: real.told("x")[-1] == "resolved")
    left = {one["comment"] for one in real.silences()}
    assert left == {theirs["comment"], written["comment"]}
