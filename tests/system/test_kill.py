"""The API process is killed in the middle of ingest; nothing acknowledged is lost or doubled."""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from app.client import Client
from app.platform.embedded import EmbeddedPostgres
from tests.live import Live, champion, end, spawn, start, telemetry, wait_folded, wait_ready
from tests.system.processes import (
    commands,
    end_all,
    family,
    finish,
    left,
    nothing_left,
    postmaster,
    wait_worker,
)
from tests.system.traffic import (
    acknowledged,
    applications,
    at_work,
    folded,
    resume,
    sent,
    stored,
    under_way,
    wait_for,
)

CLIENTS, AHEAD = 4, 30
WORKER_SECONDS = 8
SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("seed", "everything"),
    [
        pytest.param(1, False, id="1"),
        *(pytest.param(seed, False, id=str(seed), marks=SLOW) for seed in range(2, 7)),
        *(pytest.param(seed, True, id=f"{seed}-postgres-too", marks=SLOW) for seed in (7, 8)),
    ],
)
def test_a_kill_in_mid_ingest_loses_nothing_acknowledged_and_doubles_nothing(
    tmp_path: Path, seed: int, *, everything: bool
) -> None:
    rng = random.Random(seed)
    with nothing_left(tmp_path), start(tmp_path) as first:
        place = champion(first)
        running, worker = family(tmp_path), wait_worker(first.process.pid)
        database, url = postmaster(first.data_dir), EmbeddedPostgres(first.data_dir).url
        clients = applications(first, place, rng, CLIENTS, ahead=AHEAD)

        with at_work(clients):
            wait_for(lambda: acknowledged(clients), "the first batch")
            time.sleep(rng.uniform(0.0, 0.3))
            wait_for(lambda: under_way(clients) >= CLIENTS - 1, "a busy moment", every=0)
            os.kill(first.process.pid, signal.SIGKILL)
            if everything:
                end_all(running)
        finish(first.process)

        assert acknowledged(clients) < sent(clients), "no batch was under way"
        assert left({worker}, WORKER_SECONDS) == set(), "the worker did not follow its parent"
        assert (database in commands()) is not everything

        with restarted(first, tmp_path) as second:
            assert (postmaster(second.data_dir) == database) is not everything
            before = stored(url, place)
            assert acknowledged(clients) <= set(before)
            assert len(before) == len(set(before))
            assert not [text for one in clients for text in one.unexpected]

            resume(second, clients, rng)
            wait_folded(second, place.point)
            found = telemetry(second, place.point)
            after = stored(url, place)

            assert set(after) == sent(clients) == acknowledged(clients)
            assert len(after) == len(set(after)) == found["stored_events"] == folded(found)
            assert second["aud"].post("/v1/audit:verify")["ok"]
            everybody = family(tmp_path) | {postmaster(second.data_dir)}

        assert second.process.returncode == 0
        assert left(everybody, 1) == set()


@contextmanager
def restarted(before: Live, home: Path) -> Iterator[Live]:
    """The server again on the same data, with the keys everybody has."""
    process, log, announced = spawn(home)
    try:
        after = wait_ready(process, log, announced, home)
        assert after.admin_key == ""
        after.keys = before.keys
        with ExitStack() as clients:
            for name, key in before.keys.items():
                after.people[name] = clients.enter_context(Client(after.url, key))
            yield after
    finally:
        end(process)
