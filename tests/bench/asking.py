"""The load generator of the catalog: one request again and again, over keep-alive connections.

A process of its own, driven as ``load`` is. Each round is of one call, prepared once a key; both
contestants get the same code.
"""

import asyncio
import itertools
import json
import sys
from typing import Any

import uvloop

from tests.bench.load import fire, summary


def request(method: str, path: str, key: str | None, body: str | None) -> bytes:
    """Return a whole request."""
    head = [f"{method} {path} HTTP/1.1", "host: localhost"]
    if key is not None:
        head.append(f"authorization: Bearer {key}")
    if body is not None:
        head += ["content-type: application/json", f"content-length: {len(body.encode())}"]
    return "\r\n".join([*head, "", body or ""]).encode()


async def ask(
    *,
    port: int,
    lanes: int,
    seconds: float,
    method: str,
    targets: list[tuple[str, str | None]],
    keys: list[str | None],
) -> dict[str, Any]:
    """Send to each of ``targets``, a path and what it is sent, in turns, with ``keys`` in turns."""
    prepared = [request(method, path, key, body) for key in keys for path, body in targets]
    return summary(await fire(port, itertools.cycle(prepared), lanes, seconds))


async def once(*, port: int, method: str, path: str, body: str) -> dict[str, Any]:
    """Send one request."""
    return summary(await fire(port, [request(method, path, None, body)], 1, 60))


def main() -> None:
    """Do what stdin says until it ends."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdin.readline()
        for line in sys.stdin:
            order = json.loads(line)
            act: Any = {"ask": ask, "once": once}[order.pop("do")]
            print(json.dumps(runner.run(act(**order))), flush=True)


if __name__ == "__main__":
    main()
