"""A server of the demo's own, in a temporary directory, and the superuser's way into it."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from app.platform.embedded import EmbeddedPostgres, remove

_READY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Running:
    """Where the server is, the administrator's key, and its data if it is the demo's own."""

    url: str
    key: str
    data_dir: Path | None


class ServerFailed(RuntimeError):
    """The demo's server did not come up."""


@contextmanager
def own_server() -> Iterator[Running]:
    """Start ``modelward serve`` on a temporary directory; stop and remove it at the end."""
    home = Path(tempfile.mkdtemp(prefix="modelward-demo-"))
    announced, log = home / "announced.json", home / "server.log"
    data_dir = home / "data"
    command = [
        sys.executable, "-m", "app", "serve", "--data-dir", str(data_dir), "--port", "0",
        "--announce", str(announced),
    ]  # fmt: skip
    environment = {
        **os.environ,
        "MODELWARD_PULSE_SECONDS": "1",
        "MODELWARD_AUDIT_SECONDS": "1",
        "MODELWARD_LOG_LEVEL": "WARNING",
        # The endpoint that is tested before the release is this machine's own.
        "MODELWARD_OUTBOUND_LOOPBACK": "true",
        "MODELWARD_PARENT": str(os.getpid()),
    }
    environment.pop("MODELWARD_DATABASE_URL", None)
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - ourselves
            command, env=environment, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield _await(process, announced, log, data_dir)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
        remove(data_dir)
        for left in (announced, log):
            left.unlink(missing_ok=True)
        home.rmdir()


def _await(
    process: "subprocess.Popen[bytes]", announced: Path, log: Path, data_dir: Path
) -> Running:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if announced.exists():
            found = json.loads(announced.read_text())
            return Running(found["url"], found["key"], data_dir)
        time.sleep(0.05)
    said = log.read_text(errors="replace")[-2000:]
    raise ServerFailed(f"The server did not become ready.\n{said}")


def tamper(data_dir: Path, stream: str, seq: int, signer: str) -> None:
    """Edit one audit entry as a database superuser would who does not want to be seen."""
    with psycopg.connect(EmbeddedPostgres(data_dir).url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE audit_entry SET personal = replace(personal, %s, %s)"
            " WHERE stream = %s AND seq = %s",
            (f'"{signer}"', '"nobody"', stream, seq),
        )
