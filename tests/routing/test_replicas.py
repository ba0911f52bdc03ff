"""Two processes over one database: they agree, go on without it, and one begins without it."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.platform.embedded import EmbeddedPostgres
from app.platform.roles import login_url
from tests.live import Live, end, spawn, start, wait_ready
from tests.routing.plans import Cast, cast
from tests.system.processes import nothing_left, pg_ctl
from tests.system.traffic import wait_for

AGREE_SECONDS = 5
OUTAGE_SECONDS = 60


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cast]:
    home = tmp_path_factory.mktemp("replicas")
    with nothing_left(home), start(home) as lone:
        yield cast(lone)


Replica = Callable[[Path], AbstractContextManager[str]]


@pytest.fixture(scope="module")
def replica(at: Cast) -> Replica:
    """Another process over the same database; its snapshot lies in its own home."""
    embedded = EmbeddedPostgres(at.live.data_dir)
    url = login_url(embedded.url, embedded.login_password)  # asks the database

    @contextmanager
    def running(home: Path) -> Iterator[str]:
        options = ("--no-worker", "--no-migrate")
        process, log, announced = spawn(home, *options, database_url=url)
        try:
            yield wait_ready(process, log, announced, home).url
        finally:
            end(process)

    return running


@pytest.fixture
def app(at: Cast) -> Iterator[httpx.Client]:
    with httpx.Client(headers=bearer(at.live, "app"), timeout=10) as http:
        yield http


def bearer(live: Live, who: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {live.keys[who]}"}


@contextmanager
def outage(at: Cast) -> Iterator[None]:
    """Crash Postgres; bring it back when the block is left."""
    pg_ctl(at.live.data_dir, "stop")
    try:
        yield
    finally:
        pg_ctl(at.live.data_dir, "start")


def route(http: httpx.Client, url: str, at: Cast, unit: str = "somebody") -> httpx.Response:
    return http.post(f"{url}{at.path}/route", json={"unit": unit, "context": {"region": "vic"}})


def plan(at: Cast, number: int) -> dict[str, Any]:
    """A plan that a table may have: of segments, shadows, a holdout and a condition."""
    arms = [at.arm("champion", "old", weight=3), at.arm("challenger", f"new-{number}", weight=1)]
    split = {"kind": "split", "arms": arms}
    vic = {"name": "vic", "when": {"==": [{"var": "region"}, "vic"]}, "strategy": split}
    layer = {"name": "summer", "begin": 0, "end": 9_000}
    return {
        "segments": [vic, {"name": "summer", "layer": layer, "salt": "s"}, {"name": "rest"}],
        "shadows": [at.arm("former", "watcher", rate=0.5)],
        "holdout": {"rate": 0.1},
    }


def said(answer: httpx.Response) -> dict[str, Any]:
    """What an answer says beside what belongs to one decision, or one process's clock."""
    found = answer.json()
    return {
        **{name: found[name] for name in ("arm", "version_id", "segment", "propensity")},
        "generation": found["generation"],
        "shadows": [(one["arm"], one["version_id"]) for one in found["shadows"]],
    }


def test_a_process_that_begins_without_database_answers_by_what_was_seen_last(
    at: Cast, app: httpx.Client, replica: Replica, tmp_path: Path
) -> None:
    units = [f"unit-{number}" for number in range(60)]
    at.put(plan(at, 0))
    kept = tmp_path / "data" / "snapshot"
    with replica(tmp_path) as url:
        before = [said(route(app, url, at, unit)) for unit in units]
        wait_for(lambda: (kept / "keys").exists() and (kept / "plans").exists(), "snapshot", 30)
    with outage(at), replica(tmp_path) as url:
        time.sleep(5)  # longer than its keys and plans are looked at again
        after = [route(app, url, at, unit) for unit in units]
        other = httpx.post(
            f"{url}{at.path}/route", json={"unit": "u"}, headers=bearer(at.live, "aud")
        )
        ready = httpx.get(f"{url}/readyz").json()["parts"]
        first = httpx.get(f"{url}/readyz?part=routing_table").status_code

    assert [said(one) for one in after] == before
    ages = [one.json()["age_ms"] for one in after]
    assert ages == sorted(ages)
    assert 0 < ages[0] < 120_000
    assert other.status_code == 503, "a key that was not used there is not known"
    assert ready["database"] == {"ok": False}
    assert (first == 200) is ready["routing_table"]["ok"]
    for name in ("keys", "plans", "key"):
        assert (kept / name).stat().st_mode & 0o077 == 0
    sealed = (kept / "plans").read_bytes() + (kept / "keys").read_bytes()
    assert at.champion.point.encode() not in sealed


def test_what_was_altered_on_the_disk_is_not_taken(
    at: Cast, app: httpx.Client, replica: Replica, tmp_path: Path
) -> None:
    kept = tmp_path / "data" / "snapshot" / "plans"
    with replica(tmp_path) as url:
        assert route(app, url, at).status_code == 200
        wait_for(kept.exists, "the snapshot", 30)
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with outage(at), replica(tmp_path) as url:
        answer = route(app, url, at)

    assert answer.status_code == 503


def test_two_processes_agree_within_five_seconds(
    at: Cast, app: httpx.Client, replica: Replica, tmp_path: Path
) -> None:
    with replica(tmp_path) as url:
        for number in range(1, 4):
            began = time.monotonic()
            made = at.live["ops"].put(f"{at.path}/plan", plan(at, number), revision=at.revision)
            if "expires_at" in made:
                at.live["com"].post(f"/v1/changes/{made['id']}:approve", {"reason": "agreed"})
                began = time.monotonic()
            revision = at.revision
            for one in (url, at.live.url):
                wait_for(partial(answers_by, app, one, at, revision), "the plan", AGREE_SECONDS)
            assert time.monotonic() - began < AGREE_SECONDS


def answers_by(http: httpx.Client, url: str, at: Cast, revision: int) -> bool:
    return bool(route(http, url, at).json()["plan_revision"] == revision)


@pytest.mark.parametrize("then", ["fallback", "deny"])
def test_past_the_age_that_a_plan_puts_up_with_it_answers_no_more(
    at: Cast, app: httpx.Client, then: str
) -> None:
    at.put({"staleness": {"after_seconds": 10, "then": then}})
    fresh = route(app, at.live.url, at).json()
    with outage(at):
        time.sleep(5)
        still = route(app, at.live.url, at)
        wait_for(lambda: route(app, at.live.url, at).text.find("stale") > 0, "old age", 15)
        old = app.post(f"{at.live.url}{at.path}/route", json={"unit": "u", "explain": True})
        context = {"context": {"targetingKey": "u"}}
        flag = app.post(f"{at.live.url}/ofrep/v1/evaluate/flags/{at.champion.point}", json=context)
        bulk = app.post(f"{at.live.url}/ofrep/v1/evaluate/flags", json=context)
    wait_for(lambda: route(app, at.live.url, at).json().get("arm") == "champion", "recovery", 20)

    assert (fresh["arm"], still.status_code) == ("champion", 200)
    (mine,) = [one for one in bulk.json()["flags"] if one["key"] == at.champion.point]
    if then == "deny":
        assert (old.status_code, old.json()["code"]) == (503, "table_stale")
        assert int(old.headers["retry-after"]) > 0
        assert (flag.status_code, mine["errorCode"]) == (503, "GENERAL")
        return
    said = old.json()
    assert (said["arm"], said["model"], said["stale"]) == ("fallback", at.former.model, True)
    assert said["token"]
    assert said["explanation"]["why"] == "The table is older than 10 seconds."
    assert flag.json()["reason"] == mine["reason"] == "STALE"


@dataclass
class Asker:
    """An application that asks one process without a pause."""

    url: str
    at: Cast
    failed: list[str] = field(default_factory=list)
    asked: int = 0
    revisions: dict[int, float] = field(default_factory=dict)
    oldest: int = 0

    def run(self, over: threading.Event) -> None:
        with httpx.Client(headers=bearer(self.at.live, "app"), timeout=10) as http:
            for number in itertools.count():
                if over.is_set():
                    return
                answer = route(http, self.url, self.at, f"unit-{number % 500}")
                self.asked += 1
                if answer.status_code != 200:
                    self.failed.append(answer.text[:200])
                    continue
                found = answer.json()
                self.oldest = max(self.oldest, found["age_ms"])
                self.revisions.setdefault(found["plan_revision"], time.monotonic())


@pytest.mark.slow
def test_a_minute_without_database_under_load_fails_no_decision(
    at: Cast, replica: Replica, tmp_path: Path
) -> None:
    with replica(tmp_path) as url:
        askers = [Asker(one, at) for one in (url, at.live.url) for _ in range(2)]
        over = threading.Event()
        threads = [threading.Thread(target=one.run, args=(over,)) for one in askers]
        for thread in threads:
            thread.start()
        try:
            wait_for(lambda: all(one.revisions for one in askers), "the first answers")
            with outage(at):
                time.sleep(OUTAGE_SECONDS)
            changed = wait_for_change(at)
            wait_for(lambda: all(at.revision in one.revisions for one in askers), "the plan", 15)
        finally:
            over.set()
            for thread in threads:
                thread.join()
    print(f"{sum(one.asked for one in askers)} decisions")

    assert [one.failed for one in askers] == [[]] * len(askers)
    assert all(one.oldest > 50_000 for one in askers)
    newest = max(askers[0].revisions)
    seen = [one.revisions[newest] for one in askers]
    assert max(seen) - min(seen) < AGREE_SECONDS
    assert max(seen) - changed < AGREE_SECONDS


def wait_for_change(at: Cast) -> float:
    """Change the plan as soon as the database takes it; return when that was."""
    deadline = time.monotonic() + 30
    while True:
        try:
            shadow = at.arm("former", "watcher-2", rate=1.0)
            at.live["ops"].put(f"{at.path}/plan", {"shadows": [shadow]}, revision=at.revision)
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return time.monotonic()
