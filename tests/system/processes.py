"""What runs: read from /proc, so that tests can name, end and miss processes by their id."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.platform.embedded import EmbeddedPostgres

PROC = Path("/proc")


def commands() -> dict[int, tuple[int, str]]:
    """Every living process: its parent and its command line."""
    found = {}
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended while we looked
            continue
        if state not in "ZX":
            found[int(entry.name)] = (int(parent), line)
    return found


def family(word: object) -> set[int]:
    """The processes whose command line names ``word`` (a data directory), and all they started."""
    running = commands()
    found = {pid for pid, (_, line) in running.items() if str(word) in line and pid != os.getpid()}
    while more := {pid for pid, (parent, _) in running.items() if parent in found} - found:
        found |= more
    return found


def worker_of(serving: int) -> int | None:
    """The worker process that a serving process keeps."""
    for pid, (parent, line) in commands().items():
        if parent == serving and line.strip().endswith("-m app worker"):
            return pid
    return None


def wait_worker(serving: int, *, other_than: int | None = None, seconds: float = 15) -> int:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pid = worker_of(serving)
        if pid is not None and pid != other_than:
            return pid
        time.sleep(0.05)
    raise TimeoutError(f"no worker beside {serving} within {seconds} s")


def postmaster(data_dir: Path) -> int:
    """The process id of the embedded Postgres, as it wrote it down."""
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])


def left(pids: set[int], seconds: float) -> set[int]:
    """Which of the processes are still there after at most ``seconds``."""
    deadline = time.monotonic() + seconds
    while pids & commands().keys() and time.monotonic() < deadline:
        time.sleep(0.05)
    return pids & commands().keys()


def end_all(pids: set[int]) -> None:
    """End what a test would otherwise leave behind."""
    for pid in pids & commands().keys():
        with suppress(ProcessLookupError):  # it ended by itself meanwhile
            os.kill(pid, signal.SIGKILL)


@contextmanager
def nothing_left(word: object) -> Iterator[None]:
    """End whatever of a data directory still runs after the test, pass or fail."""
    try:
        yield
    finally:
        end_all(family(word))


def pg_ctl(data_dir: Path, verb: str) -> None:
    """Stop or start the embedded Postgres behind its owner's back."""
    found = EmbeddedPostgres(data_dir)
    if verb == "start":
        log, sockets = found._cluster / "server.log", found._socket_dir()
        more: list[Path | str] = ["-t", "30", "-l", log, "-o", f"-k {sockets}"]
    else:
        more = ["-m", "immediate"]
    found._run("pg_ctl", "-D", found._cluster, "-w", *more, verb)


def finish(process: "subprocess.Popen[bytes]", seconds: float = 20) -> int:
    """Wait for a process to end by itself; its exit code."""
    return process.wait(seconds)


def one_line(text: str) -> str:
    """A sentence as it was before the terminal's width broke it."""
    return " ".join(text.split())


def modelward(
    *arguments: str, data_dir: Path | None = None, seconds: float = 60
) -> "subprocess.CompletedProcess[str]":
    """Run the command line to its end."""
    environment = {**os.environ, "COLUMNS": "400"}
    environment.pop("MODELWARD_DATABASE_URL", None)
    more = [] if data_dir is None else ["--data-dir", str(data_dir)]
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments, *more],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def resident(pid: int, name: str = "VmRSS") -> int:
    """The bytes a process has in memory, or with ``VmHWM`` had at most."""
    lines = (PROC / str(pid) / "status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{name}:"))


def forget_peak(pid: int) -> None:
    """Let a process's peak be what it has now."""
    (PROC / str(pid) / "clear_refs").write_text("5")
