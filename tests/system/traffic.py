"""Applications that decide, report and repeat, and remember what was acknowledged."""

import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg

from tests.live import Live, Place

START = "2025-03-01T{hour:02d}:{minute:02d}:00Z"


@dataclass(eq=False)
class Batch:
    """Events sent in one call; ``answer`` is what the server said, if it said anything."""

    events: list[dict[str, Any]]
    ids: list[str]
    answer: dict[str, Any] | None = None


@dataclass
class Application:
    """One client thread: it decides, then reports, until it is told to stop or hears nothing.

    It has ``ahead`` batches decided before it sends the first of them, and repeats some.
    """

    url: str
    key: str
    point: str
    rng: random.Random
    ahead: int
    size: int = 12
    batches: list[Batch] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        headers = {"Authorization": f"Bearer {self.key}"}
        with httpx.Client(base_url=self.url, headers=headers, timeout=20) as http:
            try:
                while not stop.is_set():
                    for batch in [self._batch(http) for _ in range(self.ahead)]:
                        self.batches.append(batch)
                        self.post(http, batch)
                        if self.rng.random() < 0.2:
                            self.post(http, self.rng.choice(self.batches))
                        if stop.is_set():
                            return
            except httpx.TransportError:
                return

    def _batch(self, http: httpx.Client) -> Batch:
        events, ids = [], []
        for _ in range(self.rng.randint(1, self.size)):
            unit = {"unit": f"unit-{self.rng.randrange(10**9)}"}
            answer = http.post(f"/v1/decision-points/{self.point}/route", json=unit)
            decision = answer.raise_for_status().json()
            ids.append(decision["decision_id"])
            events.append(
                {
                    "token": decision["token"],
                    "at": START.format(hour=self.rng.randrange(6), minute=self.rng.randrange(60)),
                    "features": {"x": self.rng.gauss(0, 1)},
                    "score": self.rng.random(),
                }
            )
        return Batch(events, ids)

    def post(self, http: httpx.Client, batch: Batch) -> None:
        answer = http.post("/v1/events", json={"events": batch.events})
        if answer.status_code == 200:
            batch.answer = batch.answer or answer.json()
        elif answer.status_code == 503:
            time.sleep(0.1)
        else:
            self.unexpected.append(answer.text)


def applications(
    live: Live, place: Place, rng: random.Random, count: int, *, ahead: int = 2
) -> list[Application]:
    key = live.keys["app"]
    return [
        Application(live.url, key, place.point, random.Random(rng.random()), ahead)
        for _ in range(count)
    ]


@contextmanager
def at_work(found: list[Application]) -> Iterator[threading.Event]:
    """Run applications, each in a thread, until the block is left."""
    stop = threading.Event()
    threads = [threading.Thread(target=one.run, args=(stop,)) for one in found]
    for thread in threads:
        thread.start()
    try:
        yield stop
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()


def wait_for(
    condition: Callable[[], object], what: str, seconds: float = 20, *, every: float = 0.05
) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(every)


def resume(live: Live, clients: list[Application], rng: random.Random) -> None:
    """Send again everything that was not acknowledged, and some of what was."""
    headers = {"Authorization": f"Bearer {live.keys['app']}"}
    with httpx.Client(base_url=live.url, headers=headers, timeout=20) as http:
        for one in clients:
            for batch in one.batches:
                if batch.answer is None or rng.random() < 0.3:
                    one.post(http, batch)
                assert batch.answer is not None, one.unexpected


def acknowledged(found: list[Application]) -> set[str]:
    return {id_ for one in found for batch in one.batches if batch.answer for id_ in batch.ids}


def sent(found: list[Application]) -> set[str]:
    return {id_ for one in found for batch in one.batches for id_ in batch.ids}


def under_way(found: list[Application]) -> int:
    """How many applications wait for the answer to a batch."""
    return sum(bool(one.batches) and one.batches[-1].answer is None for one in found)


def stored(database_url: str, place: Place) -> list[str]:
    """The ids of all raw events of a place's production traffic, doubles included."""
    query = (
        "SELECT e.decision_id FROM telemetry_event e"
        " JOIN telemetry_series s ON s.tenant_id = e.tenant_id AND s.id = e.series_id"
        " JOIN catalog_decision_point p ON p.tenant_id = s.tenant_id AND p.id = s.point_id"
        " WHERE p.key = %s AND s.arm <> 'rehearsal'"
    )
    with psycopg.connect(database_url, connect_timeout=5) as connection:
        return [str(uuid.UUID(str(row[0]))) for row in connection.execute(query, (place.point,))]


def folded(telemetry: Any) -> int:
    """How many production events the worker has counted into profiles."""
    return sum(one["events"] for one in telemetry["series"] if one["arm"] != "rehearsal")
