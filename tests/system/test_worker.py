"""Workers die, are replaced, work side by side and wake late; each event is folded once."""

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.platform.embedded import EmbeddedPostgres
from tests.live import Live, Place, champion, end, telemetry, wait_folded
from tests.system.processes import left, wait_worker
from tests.system.traffic import acknowledged, applications, at_work, folded, stored, wait_for

REPLACED_SECONDS = 12
TOGETHER_SECONDS = 4


@pytest.fixture(scope="module")
def place(live: Live) -> Place:
    return champion(live)


def report(live: Live, place: Place, seconds: float, *, seed: int) -> None:
    """Let applications report for a while, without waiting for the worker."""
    clients = applications(live, place, random.Random(seed), 3)
    with at_work(clients):
        wait_for(lambda: acknowledged(clients), "the first batch")
        time.sleep(seconds)
    assert not [text for one in clients for text in one.unexpected]


def check_once(live: Live, place: Place) -> None:
    """Everything stored is counted, and counted once."""
    wait_folded(live, place.point)
    # Read again: the answer that first said "drained" may hold figures from just before.
    found = telemetry(live, place.point)
    events = stored(EmbeddedPostgres(live.data_dir).url, place)
    assert folded(found) == found["stored_events"] == len(events) == len(set(events))


def test_a_killed_worker_is_replaced_and_its_work_is_done(live: Live, place: Place) -> None:
    worker = wait_worker(live.process.pid)
    os.kill(worker, signal.SIGKILL)
    killed = time.monotonic()
    report(live, place, 0.5, seed=1)

    other = wait_worker(live.process.pid, other_than=worker, seconds=REPLACED_SECONDS)
    took = time.monotonic() - killed

    assert left({worker}, 1) == set()
    assert other != worker
    check_once(live, place)
    assert took < REPLACED_SECONDS


def test_a_worker_killed_in_mid_work_leaves_nothing_undone_and_does_nothing_twice(
    live: Live, place: Place
) -> None:
    rng = random.Random(2)
    clients = applications(live, place, rng, 3)
    with at_work(clients):
        for _ in range(2):
            worker = wait_worker(live.process.pid)
            time.sleep(rng.uniform(2.0, 3.0))
            os.kill(worker, signal.SIGKILL)
            wait_worker(live.process.pid, other_than=worker)

    check_once(live, place)


def test_two_workers_share_the_work_and_fold_each_event_once(live: Live, place: Place) -> None:
    with second_worker(live) as second:
        report(live, place, TOGETHER_SECONDS, seed=3)
        check_once(live, place)
        assert second.poll() is None

    assert second.returncode == 0


def test_a_worker_that_wakes_late_finds_its_work_done_and_does_not_do_it_again(
    live: Live, place: Place
) -> None:
    with second_worker(live):
        first = wait_worker(live.process.pid)
        os.kill(first, signal.SIGSTOP)
        try:
            report(live, place, 0.5, seed=4)
            check_once(live, place)
        finally:
            os.kill(first, signal.SIGCONT)
        report(live, place, 1.0, seed=5)

    check_once(live, place)


@contextmanager
def second_worker(live: Live) -> "Iterator[subprocess.Popen[bytes]]":
    """Another worker on the same database; it is at work when this returns."""
    environment = {
        **os.environ,
        "MODELWARD_DATABASE_URL": EmbeddedPostgres(live.data_dir).url,
        "MODELWARD_PULSE_SECONDS": "1",
        "MODELWARD_LOG_LEVEL": "INFO",
    }
    environment.pop("MODELWARD_PARENT", None)
    log = live.data_dir.parent / f"worker-{uuid.uuid4().hex[:8]}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "worker"],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(lambda: b"at work" in log.read_bytes(), "the second worker", 60)
        yield process
    finally:
        end(process)
