"""Endpoints as they are met: good, slow, broken, hostile. Each is a server on loopback."""

import asyncio
import itertools
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Talk = Callable[["Asked", asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Endpoint:
    """A server that runs in a thread of its own, and what it was asked."""

    url: str
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0


def answer(status: int, body: bytes, *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


async def _requests(reader: asyncio.StreamReader) -> Any:
    while True:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        except asyncio.IncompleteReadError:
            return
        method, path, _ = head[0].split(" ")
        headers = {}
        for line in head[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        yield Asked(method, path, headers, body)


@contextmanager
def served(talk: Talk) -> Iterator[Endpoint]:
    """Serve until the end of the block; whatever it is in the middle of is cut."""
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    found = Endpoint("")
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        found.connections += 1
        try:
            async for asked in _requests(reader):
                found.asked.append(asked)
                await talk(asked, writer)
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        await stop.wait()
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    ready.wait(10)
    try:
        yield found
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


def score(asked: Asked) -> bytes:
    """A good scorer: half of x; what is no number it refuses."""
    try:
        x = asked.json()["x"]
    except (ValueError, KeyError, TypeError):
        return answer(422, b'{"error": "no x"}')
    if isinstance(x, bool) or not isinstance(x, int | float):
        return answer(422, b'{"error": "x is no number"}')
    return answer(200, json.dumps({"score": x / 2, "model": "half"}).encode())


async def good(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(score(asked))


async def slow(asked: Asked, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.08)
    writer.write(score(asked))


async def hanging(_: Asked, __: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def failing(_: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(answer(500, b"{}"))


async def lenient(_: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(answer(200, b'{"score": 1.0, "model": "half"}'))


async def shapeless(_: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(answer(200, b'{"scores": ["high"]}'))


async def talking(_: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(answer(200, b"<html>it works</html>"))


async def undefined(_: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(answer(200, b'{"score": NaN}'))


async def endless(_: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


async def dripping(_: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


def redirecting(to: str) -> Talk:
    async def talk(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(307, b"", f"Location: {to}"))

    return talk


async def open_inference(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """A server of the Open Inference Protocol v2 whose model halves x."""
    model = "/v2/models/half"
    if asked.path in {"/v2/health/ready", f"{model}/ready"}:
        writer.write(answer(200, b'{"ready": true}'))
    elif asked.path == model:
        tensor = {"name": "x", "datatype": "FP32", "shape": [-1, 1]}
        out = {"name": "score", "datatype": "FP32", "shape": [-1, 1]}
        body = {"name": "half", "platform": "test", "inputs": [tensor], "outputs": [out]}
        writer.write(answer(200, json.dumps(body).encode()))
    elif asked.path == f"{model}/infer" and asked.method == "POST":
        writer.write(_inferred(asked))
    else:
        writer.write(answer(404, b'{"error": "no such thing"}'))


def _inferred(asked: Asked) -> bytes:
    tensor = asked.json()["inputs"][0]
    data = tensor["data"]
    if tensor["datatype"] != "FP32" or tensor["shape"] != [len(data), 1]:
        return answer(400, b'{"error": "x is FP32 of [-1, 1]"}')
    if not all(type(item) in {int, float} for item in data):
        return answer(400, b'{"error": "x is no number"}')
    out = {
        "name": "score", "shape": tensor["shape"], "datatype": "FP32",
        "data": [item / 2 for item in data],
    }  # fmt: skip
    return answer(200, json.dumps({"model_name": "half", "outputs": [out]}).encode())


async def misshapen(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """The same, but what it says of its outputs does not hold."""
    if asked.method == "POST":
        out = {"name": "score", "shape": [2, 1], "datatype": "FP32", "data": [0.5]}
        writer.write(answer(200, json.dumps({"outputs": [out]}).encode()))
    else:
        await open_inference(asked, writer)


def crossed() -> Talk:
    """A scorer that keeps what it works on in one place: at the same time, it mixes them up."""
    held = {"at_once": 0, "x": 0.0}

    async def talk(asked: Asked, writer: asyncio.StreamWriter) -> None:
        held["x"], held["at_once"] = asked.json()["x"], held["at_once"] + 1
        await asyncio.sleep(0.002)
        wrong = "much" if held["at_once"] > 2 and held["x"] > 5 else None
        writer.write(answer(200, json.dumps({"score": wrong or held["x"] / 2}).encode()))
        held["at_once"] -= 1

    return talk


def different() -> Talk:
    """A scorer whose answers are long and never the same."""
    numbers = itertools.count()

    async def talk(asked: Asked, writer: asyncio.StreamWriter) -> None:
        said = {"score": asked.json()["x"] / 2, "more": str(next(numbers)) * 100_000}
        writer.write(answer(200, json.dumps(said).encode()))

    return talk
