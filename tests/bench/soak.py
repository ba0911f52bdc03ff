"""A soak of ingest: batches of every kind without a pause, and what the process has in memory.

    python -m tests.bench.soak --minutes 10

Prints JSON: the median resident bytes of the first fifth (after a warm-up) and of the last, their
ratio, and whether that is within ``GREATEST``. The process takes what it takes in the first seconds
(libraries, buffers, the allocator's arenas); what it takes after that, it would take for ever.
"""

import argparse
import gzip
import json
import random
import sys
import threading
import time
import uuid
from collections import Counter
from statistics import median
from typing import Any

import httpx
import orjson

from tests.conftest import home
from tests.live import Live, Place, make_model, make_point, make_version, start
from tests.system.processes import resident
from tests.telemetry.streams import ARROW, LINES, lines_of, stream_of

GREATEST = 1.10
CLIENTS = 3
SIZES = (1, 20, 200, 2_000, 10_000)
WEIGHTS = (20, 20, 10, 3, 1)
WARM_UP = 0.2
SAMPLE_SECONDS = 0.5
_DONE = {200, 207}


class Soak:
    """Clients that send for so long, and what came of it."""

    def __init__(self, live: Live, place: Place, seconds: float) -> None:
        self._live, self._seconds = live, seconds
        self._named = {
            "model": place.model, "version": str(place.version), "decision_point": place.point,
        }  # fmt: skip
        self.batches = self.events = 0
        self.refused: Counter[int] = Counter()
        self._lock = threading.Lock()

    def _body(self, rng: random.Random) -> tuple[bytes, dict[str, str], int]:
        count = rng.choices(SIZES, WEIGHTS)[0]
        rows: list[dict[str, Any]] = [
            {
                "event_id": str(uuid.UUID(int=rng.getrandbits(128))),
                "at": "2026-01-01T00:00:00Z",
                "features": {"x": rng.random(), "made_up": "word" * 5},
                "score": rng.random(),
            }
            for _ in range(count)
        ]
        media = rng.choice(["application/json", LINES, ARROW])
        if media == ARROW:
            body = stream_of(rows)
        elif media == LINES:
            body = lines_of([*(rows[1:] or rows), "no object"])
        else:
            body = orjson.dumps({"events": rows})
        headers = {"Content-Type": media}
        if rng.random() < 0.5:
            return gzip.compress(body, 1), {**headers, "Content-Encoding": "gzip"}, count
        return body, headers, count

    def send(self, seed: int, until: float) -> None:
        """Send one batch after the other."""
        rng = random.Random(seed)
        key = {"Authorization": f"Bearer {self._live.keys['dev']}"}
        with httpx.Client(base_url=self._live.url, headers=key, timeout=30) as client:
            while time.monotonic() < until:
                body, headers, count = self._body(rng)
                answer = client.post(
                    "/v1/events", content=body, headers=headers, params=self._named
                )
                with self._lock:
                    if answer.status_code in _DONE:
                        self.batches += 1
                        self.events += count
                    else:
                        self.refused[answer.status_code] += 1

    def run(self) -> list[int]:
        """Have them all send; return what was resident meanwhile."""
        until = time.monotonic() + self._seconds
        clients = [
            threading.Thread(target=self.send, args=(seed, until)) for seed in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        found = []
        while time.monotonic() < until:
            found.append(resident(self._live.process.pid))
            time.sleep(SAMPLE_SECONDS)
        for client in clients:
            client.join()
        return found


def soak(minutes: float) -> dict[str, Any]:
    """Run a server, send to it for so long, and say what became of its memory."""
    with home() as directory, start(directory) as live:
        model = make_model(live)
        place = Place(model, make_point(live), make_version(live, model))
        soaking = Soak(live, place, minutes * 60)
        samples = soaking.run()
    warm = samples[int(len(samples) * WARM_UP) :]
    fifth = max(1, len(warm) // 5)
    first, last = median(warm[:fifth]), median(warm[-fifth:])
    growth = last / first
    return {
        "minutes": minutes,
        "batches": soaking.batches,
        "events": soaking.events,
        "refused": dict(soaking.refused),
        "rss_first": int(first),
        "rss_last": int(last),
        "rss_most": max(samples),
        "growth": round(growth, 4),
        "ok": growth <= GREATEST and soaking.batches > 0,
    }


def main() -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    found = soak(parser.parse_args().minutes)
    print(json.dumps(found))
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
