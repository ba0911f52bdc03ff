"""The yardstick of routing: a raw ASGI endpoint that reads its body and gives a fixed answer.

It runs in a process of its own under the product's ``Server``: the same loop, the same HTTP
protocol, the same limits. ``python -m tests.bench.bare FILE SIZE`` writes its URL to FILE.
"""

import json
import sys
from pathlib import Path
from typing import Any

from app.cli import run
from app.platform.server import Server


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


def main(announce: Path, size: int) -> None:
    """Serve until told to stop, or until the process that started this one is gone."""
    run.stop_on_sigterm()
    run.follow_parent()

    def ready(url: str) -> None:
        part = announce.with_suffix(".part")
        part.write_text(json.dumps({"url": url}))
        part.rename(announce)

    try:
        Server(endpoint(size), "127.0.0.1", 0, ready).run()
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
