"""The load generator: keep-alive connections, each sending its next request when answered.

A process of its own, driven by lines of JSON on stdin, one answer a line. Requests are whole
byte strings made beforehand; an answer costs two searches and a comparison. Both contestants of a
comparison get the same code and requests that differ only in their numbers.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import uvloop

from tests.telemetry.streams import ARROW, stream_of

FEATURES = tuple(f"x{number}" for number in range(10))
NUMBERED = "bench-point-{:04}"
"""What decision points beside the first are called."""
_GOOD = (b"HTTP/1.1 200", b"HTTP/1.1 201")


class Round:
    """One measured round: requests out, raw answers in."""

    def __init__(self, requests: Iterable[bytes], deadline: float) -> None:
        self._requests: Iterator[bytes] = iter(requests)
        self._deadline = deadline
        self.answers: list[bytes] = []
        self.took: list[float] = []
        self.open = 0
        self.broken = 0
        self.done = asyncio.get_running_loop().create_future()

    def next(self) -> bytes | None:
        """Return the next request, or ``None`` if there is none or no time for it."""
        if time.monotonic() >= self._deadline:
            return None
        return next(self._requests, None)

    def leave(self) -> None:
        """Count a connection out."""
        self.open -= 1
        if not self.open and not self.done.done():
            self.done.set_result(None)


class Lane(asyncio.Protocol):
    """One connection: never more than one request on its way."""

    def __init__(self, round_: Round) -> None:
        self._round = round_
        self._part = b""
        self._transport: Any = None
        self._sent = 0.0
        round_.open += 1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the start signal."""
        self._transport = transport

    def go(self) -> None:
        """Send the next request, or leave."""
        request = self._round.next()
        if request is None:
            self._leave()
        else:
            self._sent = time.perf_counter()
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take an answer; go on once it is whole."""
        if self._part:
            data = self._part + data
        end = data.find(b"\r\n\r\n")
        at = data.find(b"content-length: ")
        if not 0 < at < end or len(data) < end + 4 + int(data[at + 16 : data.find(b"\r", at)]):
            self._part = data
            return
        self._part = b""
        self._round.took.append(time.perf_counter() - self._sent)
        self._round.answers.append(data)
        self.go()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a connection that the server closed."""
        if self._transport is not None:
            self._round.broken += 1
            self._leave()

    def _leave(self) -> None:
        transport, self._transport = self._transport, None
        transport.close()
        self._round.leave()


async def fire(port: int, requests: Iterable[bytes], lanes: int, seconds: float) -> dict[str, Any]:
    """Send requests over ``lanes`` connections for ``seconds`` or until there are no more."""
    loop = asyncio.get_running_loop()
    round_ = Round(requests, time.monotonic() + seconds)
    opened = [
        (await loop.create_connection(lambda: Lane(round_), "127.0.0.1", port))[1]
        for _ in range(lanes)
    ]
    began, spent = time.perf_counter(), time.process_time()
    for lane in opened:
        lane.go()
    async with asyncio.timeout(seconds + 30):
        await round_.done
    return {
        "answers": round_.answers,
        "took": round_.took,
        "seconds": time.perf_counter() - began,
        "load_cpu": time.process_time() - spent,
        "broken": round_.broken,
    }


def post(path: str, key: str, body: bytes, media: str = "application/json") -> bytes:
    """Return a whole POST request."""
    return (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n"
        f"content-type: {media}\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body


class Gun:
    """What the process keeps between rounds: the decisions it got, the batches made of them."""

    def __init__(self, key: str, point: str) -> None:
        self._key = key
        self._path = f"/v1/decision-points/{point}/route"
        self._units = 0
        self._random = random.Random(20260407)
        self._decisions: list[bytes] = []

    async def route(
        self, port: int, lanes: int, seconds: float, most: int, *, keep: bool
    ) -> dict[str, Any]:
        """Ask for decisions about units never named before; ``keep`` those decisions."""
        first, self._units = self._units, self._units + most
        requests = [
            post(self._path, self._key, b'{"unit":"bench-%09d"}' % unit)
            for unit in range(first, self._units)
        ]
        found = await fire(port, requests, lanes, seconds)
        if keep:
            self._decisions += [answer.partition(b"\r\n\r\n")[2] for answer in found["answers"]]
        return summary(found)

    async def at_points(
        self, port: int, lanes: int, seconds: float, most: int, points: int, context: Any
    ) -> dict[str, Any]:
        """Ask for decisions in turns at many points, about units never named before."""
        first, self._units = self._units, self._units + most
        known = json.dumps(context)
        requests = [
            post(
                f"/v1/decision-points/{NUMBERED.format(unit % points)}/route",
                self._key,
                b'{"unit":"bench-%09d","context":%b}' % (unit, known.encode()),
            )
            for unit in range(first, self._units)
        ]
        return summary(await fire(port, requests, lanes, seconds))

    async def many(
        self, port: int, lanes: int, seconds: float, most: int, size: int, context: Any
    ) -> dict[str, Any]:
        """Ask for decisions about many units at once."""
        requests = []
        for number in range(most):
            units = [{"unit": f"many-{number}-{unit}", "context": context} for unit in range(size)]
            body = json.dumps({"units": units}, separators=(",", ":")).encode()
            path = f"/v1/decision-points/{NUMBERED.format(number % 10)}/route:batch"
            requests.append(post(path, self._key, body))
        return summary(await fire(port, requests, lanes, seconds))

    async def ingest(
        self, port: int, lanes: int, batches: int, size: int, *, arrow: bool = False
    ) -> dict[str, Any]:
        """Report scored events of kept decisions, each decision once."""
        requests = [self._batch(size, arrow=arrow) for _ in range(batches)]
        found = await fire(port, requests, lanes, 60)
        bodies = [json.loads(answer.partition(b"\r\n\r\n")[2]) for answer in found["answers"]]
        events = sum(body.get("accepted", 0) for body in bodies)
        return {**summary(found), "events": events, "body_bytes": len(requests[0])}

    def _batch(self, size: int, *, arrow: bool) -> bytes:
        taken, self._decisions = self._decisions[:size], self._decisions[size:]
        if len(taken) < size:
            raise RuntimeError("There are not enough decisions to report on.")
        events = [
            {
                "token": json.loads(decision)["token"],
                "at": datetime.now(UTC) if arrow else datetime.now(UTC).isoformat(),
                "features": {name: round(self._random.gauss(), 6) for name in FEATURES},
                "score": round(self._random.random(), 6),
                "latency_ms": round(self._random.random() * 20, 3),
            }
            for decision in taken
        ]
        if arrow:
            return post("/v1/events", self._key, stream_of(events), ARROW)
        body = json.dumps({"events": events}, separators=(",", ":")).encode()
        return post("/v1/events", self._key, body)


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """Return a round's figures without its answers."""
    answers, took = found.pop("answers"), sorted(found.pop("took"))
    good = sum(answer.startswith(_GOOD) for answer in answers)
    wrong = next((a for a in answers if not a.startswith(_GOOD)), b"")
    return {
        **found,
        "answered": good,
        "p99_ms": took[int(len(took) * 0.99)] * 1000 if took else 0.0,
        "refused": len(answers) - good,
        "refusal": wrong.decode(errors="replace")[-500:],
        "answer_bytes": len(answers[0].partition(b"\r\n\r\n")[2]) if answers else 0,
    }


def main() -> None:
    """Do what stdin says until it ends."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        gun = Gun(**json.loads(sys.stdin.readline()))
        for line in sys.stdin:
            order = json.loads(line)
            act: Any = {
                "route": gun.route,
                "at_points": gun.at_points,
                "many": gun.many,
                "ingest": gun.ingest,
            }[order.pop("do")]
            print(json.dumps(runner.run(act(**order))), flush=True)


if __name__ == "__main__":
    main()
