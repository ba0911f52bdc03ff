"""The processes of a bench run: each is started here, by pid, and ended here."""

import http.client
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
from typing import Any
from urllib.parse import urlsplit

from app.platform.embedded import EmbeddedPostgres, remove

ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 60
_STOP_SECONDS = 20
_TICKS = os.sysconf("SC_CLK_TCK")


class BenchFailed(RuntimeError):
    """The run cannot go on; no figure of it means anything."""


@dataclass(frozen=True, slots=True)
class Served:
    """A server that answers."""

    pid: int
    url: str
    key: str
    data_dir: Path
    ready_seconds: float

    @property
    def port(self) -> int:
        """The port of the loopback address."""
        return urlsplit(self.url).port or 0

    @property
    def database_url(self) -> str:
        """The superuser's way into its database."""
        return EmbeddedPostgres(self.data_dir).url


def _environment() -> dict[str, str]:
    """Return ours without any setting of the product: the defaults are measured."""
    kept = {name: value for name, value in os.environ.items() if "MODELWARD_" not in name}
    return {**kept, "MODELWARD_PARENT": str(os.getpid())}


@contextmanager
def _process(arguments: list[str], **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """Run this interpreter on ``arguments``; end it at the end, however that comes."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=_environment(),
        text=True,
        start_new_session=True,  # Ctrl-C is ours to pass on
        **options,
    )
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def _home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="modelward-bench-") as home:
        yield Path(home)


@contextmanager
def serve() -> Iterator[Served]:
    """Start the product on an empty data directory; ``ready_seconds`` is what it took."""
    with _home() as home:
        announced, data_dir = home / "announced.json", home / "data"
        arguments = [
            "-m", "app", "serve", "--data-dir", str(data_dir), "--port", "0",
            "--announce", str(announced),
        ]  # fmt: skip
        try:
            with (home / "log").open("wb") as log:
                began = time.perf_counter()
                with _process(arguments, stdout=log, stderr=log) as process:
                    found = _announced(process, announced, home / "log")
                    _await_ready(found["url"])
                    yield Served(
                        process.pid, found["url"], found["key"], data_dir,
                        time.perf_counter() - began,
                    )  # fmt: skip
        finally:
            if (data_dir / "postgres" / "postmaster.pid").exists():
                left = EmbeddedPostgres(data_dir)  # its owner was killed: take it over
                left.start()
                left.stop()
            remove(data_dir)


@contextmanager
def bare(size: int) -> Iterator[Served]:
    """Start the bare endpoint, which answers ``size`` bytes."""
    with _home() as home, (home / "log").open("wb") as log:
        announced = home / "announced.json"
        arguments = ["-m", "tests.bench.bare", str(announced), str(size)]
        with _process(arguments, stdout=log, stderr=log) as process:
            url = _announced(process, announced, home / "log")["url"]
            yield Served(process.pid, url, "", home, 0.0)


class Helper:
    """A process that does what a line of JSON says and answers with another."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def tell(self, order: dict[str, Any]) -> None:
        """Write a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def ask(self, do: str, **order: Any) -> Any:
        """Write a line and wait for the answer."""
        self.tell({"do": do, **order})
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchFailed(f"A helper ended while it should {do}.")
        return json.loads(line)


@contextmanager
def helper(module: str, **first: Any) -> Iterator[Helper]:
    """Start a module of this package; ``first`` is its first line."""
    pipe = subprocess.PIPE
    with _process(["-m", f"tests.bench.{module}"], stdin=pipe, stdout=pipe) as process:
        found = Helper(process)
        found.tell(first)
        yield found


def cpu_seconds(pid: int) -> float:
    """Return the processor time a process has used, all threads, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def rss_mb(pid: int, field: str = "VmRSS") -> float:
    """Return a process' resident memory in MiB, or with ``VmHWM`` the most it ever had."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise BenchFailed(f"/proc/{pid}/status has no {field}.")


def _announced(process: "subprocess.Popen[str]", file: Path, log: Path) -> Any:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if file.exists():
            return json.loads(file.read_text())
        time.sleep(0.005)
    raise BenchFailed(f"A server did not start.\n{log.read_text(errors='replace')[-2000:]}")


def _await_ready(url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        finally:
            connection.close()
        time.sleep(0.005)
    raise BenchFailed("The server did not become ready.")
