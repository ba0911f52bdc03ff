"""The database goes away and comes back: decisions go on, the rest says so and heals."""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import httpx
import pytest

from app.identity.keys import make
from app.platform.embedded import EmbeddedPostgres
from tests.live import Live, Place, champion, start, telemetry, wait_folded
from tests.system.processes import commands, nothing_left, pg_ctl, postmaster
from tests.system.traffic import (
    acknowledged,
    applications,
    at_work,
    folded,
    resume,
    sent,
    stored,
    wait_for,
)

ANSWER_SECONDS = 5
DEADLINE_SECONDS = 15
HEALED_SECONDS = 10
PLAN_SECONDS = 5


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server of this module's own: its database is taken away from it."""
    home = tmp_path_factory.mktemp("outage")
    with nothing_left(home), start(home) as found:
        yield found


@pytest.fixture(scope="module")
def place(lone: Live) -> Place:
    return champion(lone)


@pytest.fixture
def app(lone: Live, place: Place) -> Iterator[httpx.Client]:
    """The application's connection; its key is known to the server before the outage."""
    headers = {"Authorization": f"Bearer {lone.keys['app']}"}
    with httpx.Client(base_url=lone.url, headers=headers, timeout=30) as http:
        assert route(http, place).status_code == 200
        # A connection that was used in the second before the last outage fails once more.
        wait_for(
            lambda: report(http, [token(http, place)]).status_code == 200, "ingest", HEALED_SECONDS
        )
        yield http


def route(http: httpx.Client, place: Place) -> httpx.Response:
    return http.post(f"/v1/decision-points/{place.point}/route", json={"unit": "somebody"})


def token(http: httpx.Client, place: Place) -> str:
    return str(route(http, place).json()["token"])


def report(http: httpx.Client, tokens: list[str], *, timeout: float = 30) -> httpx.Response:
    at = "2025-03-01T10:00:00Z"
    events = [{"token": one, "at": at, "features": {"x": 0.1}, "score": 0.5} for one in tokens]
    return http.post("/v1/events", json={"events": events}, timeout=timeout)


@contextmanager
def outage(live: Live) -> Iterator[None]:
    """Crash Postgres; bring it back when the block is left."""
    pg_ctl(live.data_dir, "stop")
    try:
        yield
    finally:
        pg_ctl(live.data_dir, "start")


def test_it_heals_by_itself_and_nothing_acknowledged_is_lost(
    lone: Live, place: Place, app: httpx.Client
) -> None:
    tokens = [token(app, place) for _ in range(50)]
    taken = report(app, tokens)
    with outage(lone):
        assert report(app, tokens).status_code == 503
    began = time.monotonic()
    wait_for(lambda: report(app, tokens).status_code == 200, "ingest", HEALED_SECONDS)
    wait_for(lambda: app.get("/readyz").status_code == 200, "readiness", HEALED_SECONDS)
    print(f"healed in {time.monotonic() - began:.2f} s")

    assert taken.json()["accepted"] == 50
    assert report(app, tokens).json()["duplicates"] == 50
    wait_folded(lone, place.point)
    found = telemetry(lone, place.point)
    events = stored(EmbeddedPostgres(lone.data_dir).url, place)
    assert folded(found) == found["stored_events"] == len(events) == len(set(events))
    assert lone["aud"].post("/v1/audit:verify")["ok"]


def test_decisions_go_on_and_say_how_old_the_table_is(
    lone: Live, place: Place, app: httpx.Client
) -> None:
    ages = []
    with outage(lone):
        began = time.monotonic()
        while time.monotonic() - began < 4:
            answer = route(app, place)
            assert answer.status_code == 200
            ages.append(answer.json()["age_ms"])
            time.sleep(0.2)

    assert ages == sorted(ages)
    assert ages[-1] - ages[0] > 3000


def test_what_needs_the_database_says_503_and_when_to_come_back(
    lone: Live, place: Place, app: httpx.Client
) -> None:
    unknown = {"Authorization": f"Bearer {make().text}"}
    outcome = {
        "decision_id": "0198c0de-0000-7000-8000-000000000001",
        "label": 1,
        "at": "2025-03-01T10:00:00Z",
    }
    with outage(lone):
        calls = {
            "events": partial(report, app, [token(app, place)]),
            "outcomes": partial(app.post, "/v1/outcomes", json={"outcomes": [outcome]}),
            "read": partial(app.get, "/v1/models"),
            "unknown key": partial(app.get, "/v1/me", headers=unknown),
        }
        for name, call in calls.items():
            began = time.monotonic()
            answer = call()
            took = time.monotonic() - began
            assert answer.status_code == 503, (name, answer.text)
            assert int(answer.headers["retry-after"]) > 0
            assert answer.headers["content-type"] == "application/problem+json"
            assert took < ANSWER_SECONDS, (name, took)
        assert app.get("/livez").status_code == 200
        ready = app.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["parts"]["database"] == {"ok": False}


def test_a_change_of_plan_after_the_outage_is_seen_within_five_seconds(
    lone: Live, place: Place, app: httpx.Client
) -> None:
    with outage(lone):
        time.sleep(1)
    wait_for(lambda: app.get("/readyz").status_code == 200, "readiness", HEALED_SECONDS)
    path = f"/v1/decision-points/{place.point}/plan"
    plan = lone["ops"].get(path)
    shadow = {"name": "watcher", "model": place.model, "version": place.version, "rate": 1.0}

    made = lone["ops"].put(path, {"shadows": [shadow]}, revision=plan["revision"])

    wait_for(
        lambda: route(app, place).json()["plan_revision"] == made["revision"],
        "the new plan",
        PLAN_SECONDS,
    )
    assert [one["arm"] for one in route(app, place).json()["shadows"]] == ["watcher"]


def test_ingest_through_an_outage_ends_with_everything_once(
    lone: Live, place: Place, app: httpx.Client
) -> None:
    rng = random.Random(5)
    clients = applications(lone, place, rng, 2)
    with at_work(clients):
        wait_for(lambda: acknowledged(clients), "the first batch")
        time.sleep(0.3)
        with outage(lone):
            time.sleep(0.5)
        time.sleep(1)
    wait_for(lambda: app.get("/readyz").status_code == 200, "readiness", HEALED_SECONDS)
    before = stored(EmbeddedPostgres(lone.data_dir).url, place)
    resume(lone, clients, rng)
    after = stored(EmbeddedPostgres(lone.data_dir).url, place)

    assert acknowledged(clients) == sent(clients) <= set(after)
    assert len(before) < len(after) == len(set(after))
    assert not [text for one in clients for text in one.unexpected]


@pytest.mark.slow
def test_a_database_that_hangs_is_answered_within_the_deadline(
    lone: Live, place: Place, app: httpx.Client
) -> None:
    with frozen(lone):
        assert route(app, place).status_code == 200
        late = report(app, [token(app, place)], timeout=DEADLINE_SECONDS)

    assert late.status_code == 503
    assert int(late.headers["retry-after"]) > 0


@contextmanager
def frozen(live: Live) -> Iterator[None]:
    """Stop every process of Postgres in its tracks, connections and all, then thaw them."""
    database = postmaster(live.data_dir)
    found = {database} | {pid for pid, (parent, _) in commands().items() if parent == database}
    for pid in found:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in found & commands().keys():
            os.kill(pid, signal.SIGCONT)
