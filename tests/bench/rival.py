"""MLflow's tracking server as a yardstick: in a virtual environment of its own, never installed.

``python -m venv`` and ``pip install mlflow psycopg2-binary`` are done once, in a cache directory;
the server is started as its manual says, with one worker, and ended by its process group.
"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from tests.bench.servers import BenchFailed

DATABASE = "mlflow"
_START_SECONDS = 120
_STOP_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Rival:
    """An MLflow server that answers."""

    pid: int
    port: int
    version: str


def environment(home: Path) -> Path:
    """Return the directory of MLflow's programs; install it there at the first time."""
    programs = home / "bin"
    if not (programs / "mlflow").exists():
        print(f"Installing MLflow into {home}; this takes minutes, once.", flush=True)
        home.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        pip = [str(programs / "pip"), "install", "--quiet", "mlflow", "psycopg2-binary"]
        subprocess.run(pip, check=True)
    return programs


@contextmanager
def rival(home: Path, database_url: str, scratch: Path) -> Iterator[Rival]:
    """Run MLflow on a database of its own beside ``database_url``'s; end it at the end."""
    programs = environment(home)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}")
    own = make_url(database_url).set(drivername="postgresql+psycopg2", database=DATABASE)
    port = _free_port()
    arguments = [
        str(programs / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port),
        "--workers", "1", "--backend-store-uri", own.render_as_string(hide_password=False),
        "--default-artifact-root", str(scratch / "artifacts"),
    ]  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if "MLFLOW_" not in name}
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    path = f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"
    with (scratch / "mlflow.log").open("wb") as log:
        process = subprocess.Popen(
            arguments,
            cwd=scratch,
            env={**kept, **quiet, "PATH": path},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            version = _await_ready(process, port, scratch / "mlflow.log")
            yield Rival(process.pid, port, version)
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the server and the workers of its group, which nobody else is in."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _await_ready(process: "subprocess.Popen[bytes]", port: int, log: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", "/version")
            answer = connection.getresponse()
            if answer.status == http.HTTPStatus.OK:
                return answer.read().decode()
        except OSError:
            time.sleep(0.2)
        finally:
            connection.close()
    raise BenchFailed(f"MLflow did not start.\n{log.read_text(errors='replace')[-3000:]}")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
