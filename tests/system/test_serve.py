"""``modelward serve`` from its first second to its last."""

import fcntl
import os
import random
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psycopg
import pytest

from app.platform.embedded import EmbeddedPostgres
from tests.live import Live, spawn, start, wait_ready
from tests.system.processes import (
    family,
    finish,
    left,
    modelward,
    nothing_left,
    one_line,
    postmaster,
)
from tests.system.traffic import wait_for

READY_SECONDS = 5.0
LOADED_SECONDS = 10.0
KEY = re.compile(r"^Administrator key \(shown once\): (mwk_\S+)$", re.MULTILINE)
READY = re.compile(r"^Modelward is ready at (http://127\.0\.0\.1:\d+)$", re.MULTILINE)


def test_first_start_and_every_other(tmp_path: Path) -> None:
    """From nothing to ready in seconds, a key once, the data again, an end without remains."""
    home = tmp_path / "private"
    home.mkdir(mode=0o700)
    with nothing_left(home):
        first, took = started(home)
        key = first.admin_key
        assert KEY.findall(first.log.read_text()) == [key]
        assert READY.findall(first.log.read_text()) == [first.url]
        assert who(first, key).json()["roles"] == ["administrator"]
        secrets = [*first.data_dir.glob("*.password"), *home.glob("announced-*.json")]
        assert [path.stat().st_mode & 0o777 for path in secrets] == [0o600] * 3
        assert not home.stat().st_mode & 0o066
        running = family(home) | {postmaster(first.data_dir)}
        assert len(running) > 3
        # Ctrl-C in a terminal reaches the whole foreground group.
        os.killpg(first.process.pid, signal.SIGINT)

        assert finish(first.process) == 0
        assert left(running, 0.5) == set()

        first.log.unlink()
        second, _ = started(home)
        assert who(second, key).status_code == 200
        assert KEY.findall(second.log.read_text()) == []
        assert READY.findall(second.log.read_text()) == [second.url]
        running = family(home) | {postmaster(second.data_dir)}
        second.process.send_signal(signal.SIGTERM)

        assert finish(second.process) == 0
        assert left(running, 0.5) | family(home) == set()
    crowd = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert took < LOADED_SECONDS * crowd


def who(live: Live, key: str) -> httpx.Response:
    return httpx.get(f"{live.url}/v1/me", headers={"Authorization": f"Bearer {key}"})


def started(home: Path) -> tuple[Live, float]:
    began = time.monotonic()
    live = wait_ready(*spawn(home), home)
    took = time.monotonic() - began
    assert httpx.get(f"{live.url}/readyz").status_code == 200
    late = "" if took < READY_SECONDS else f", more than the promised {READY_SECONDS:.0f} s"
    print(f"ready in {took:.2f} s{late}")
    return live, took


def test_an_impatient_user_leaves_nothing_behind(tmp_path: Path) -> None:
    with nothing_left(tmp_path):
        live, _ = started(tmp_path)
        running = family(tmp_path) | {postmaster(live.data_dir)}

        def signalled() -> bool:
            live.process.send_signal(signal.SIGTERM)
            return live.process.poll() is not None

        wait_for(signalled, "the end", 30, every=0.001)
        assert left(running, 3) == set()


def test_a_start_that_is_interrupted_leaves_nothing_behind(tmp_path: Path) -> None:
    with nothing_left(tmp_path):
        process, _, _ = spawn(tmp_path)
        begun = tmp_path / "data" / "postgres" / "postmaster.pid"
        wait_for(begun.exists, "Postgres", 60, every=0.002)
        process.send_signal(signal.SIGINT)
        finish(process)

        assert left(family(tmp_path), 3) == set()


@pytest.mark.slow
def test_a_start_that_is_interrupted_at_any_moment_leaves_nothing_behind(tmp_path: Path) -> None:
    rng = random.Random(6)
    for attempt in range(15):
        home = tmp_path / str(attempt)
        home.mkdir()
        with nothing_left(home):
            process, _, _ = spawn(home)
            wait_for((home / "data" / "postgres").exists, "the cluster", 60, every=0.001)
            time.sleep(rng.uniform(0, 0.02))
            process.send_signal(signal.SIGINT)
            finish(process)

            assert left(family(home), 3) == set(), attempt


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's Postgres runs as another user")
def test_postgres_is_stopped_although_its_directory_was_closed_meanwhile(tmp_path: Path) -> None:
    parent = tmp_path / "closed"
    parent.mkdir(mode=0o700)
    with nothing_left(parent):
        embedded = EmbeddedPostgres(parent / "data")
        embedded.start()
        running = {postmaster(parent / "data")}
        parent.chmod(0o700)
        embedded.stop()

        assert left(running, 1) == set()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's Postgres runs as another user")
def test_roots_temporary_directory_may_be_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    monkeypatch.setattr("tempfile.tempdir", str(private))
    embedded = EmbeddedPostgres(tmp_path / "data")
    with nothing_left(tmp_path):
        psycopg.connect(embedded.start(), connect_timeout=5).close()
        embedded.stop()


def test_the_database_is_found_by_who_has_another_temporary_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir = tmp_path / ("long-" * 20) / "data"
    with nothing_left(data_dir), TemporaryDirectory(dir="/tmp") as short:
        Path(short).chmod(0o711)
        monkeypatch.setattr("tempfile.tempdir", short)
        owner = EmbeddedPostgres(data_dir)
        owner.start()
        try:
            monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
            url = EmbeddedPostgres(data_dir).start()
            psycopg.connect(url, connect_timeout=5).close()
        finally:
            owner.stop()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    home = tmp_path_factory.mktemp("served")
    with nothing_left(home), start(home) as found:
        yield found


def test_a_directory_in_use_is_refused_with_a_sentence(served: Live) -> None:
    done = modelward("serve", "--port", "0", data_dir=served.data_dir)

    assert done.returncode == 1
    assert one_line(done.stderr) == f"Another modelward serves {served.data_dir}."
    assert httpx.get(f"{served.url}/readyz").status_code == 200


def test_a_directory_in_its_first_moments_of_use_is_refused_with_a_sentence(
    tmp_path: Path,
) -> None:
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = modelward("serve", "--port", "0", data_dir=tmp_path)

    assert done.returncode == 1
    assert one_line(done.stderr).startswith("Another modelward ")
    assert str(tmp_path) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_start_waits_for_what_a_killed_server_left(tmp_path: Path) -> None:
    with nothing_left(tmp_path):
        postgres = EmbeddedPostgres(tmp_path)
        with psycopg.connect(postgres.start()) as connection:
            survivor = connection.info.backend_pid
            server = postmaster(tmp_path)
            os.kill(survivor, signal.SIGSTOP)
            os.kill(server, signal.SIGKILL)
            assert left({server}, 5) == set()  # a signal takes a moment: until then it is running
            late = threading.Timer(2.0, os.kill, (survivor, signal.SIGKILL))
            late.start()
            began = time.monotonic()
            url = postgres.start()
            waited = time.monotonic() - began
        with psycopg.connect(url) as connection:
            answer = connection.execute("SELECT 1").fetchone()
        postgres.stop()

    assert answer == (1,)
    assert waited > 1.5
