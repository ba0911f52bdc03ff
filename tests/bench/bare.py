"""The yardstick of routing: a raw ASGI endpoint that reads its body and gives a fixed answer.

It runs in a process of its own under uvicorn as it comes: the same loop and HTTP parser as the
product's, none of its limits. ``python -m tests.bench.bare FILE SIZE`` writes its URL to FILE.
"""

import json
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn

from app.cli import run


def endpoint(size: int) -> Any:
    """Return an application whose answer is ``size`` bytes of JSON."""
    body = b'{"fixed":"' + b"x" * max(0, size - 12) + b'"}'
    head = {
        "type": "http.response.start",
        "status": 200,
        "headers": [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ],
    }
    answer = {"type": "http.response.body", "body": body}

    async def bare(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        sent = b""
        more = True
        while more:
            message = await receive()
            sent += message.get("body", b"")
            more = message.get("more_body", False)
        await send(head)
        await send(answer)

    return bare


class Bare(uvicorn.Server):
    """uvicorn, and a word when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[str], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say where."""
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        self._ready(f"http://{host}:{port}")


def main(announce: Path, size: int) -> None:
    """Serve until told to stop, or until the process that started this one is gone."""
    run.stop_on_sigterm()
    run.follow_parent()

    def ready(url: str) -> None:
        part = announce.with_suffix(".part")
        part.write_text(json.dumps({"url": url}))
        part.rename(announce)

    config = uvicorn.Config(
        endpoint(size), port=0, loop="uvloop", http="httptools", log_config=None, access_log=False
    )
    try:
        Bare(config, ready).run()
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
