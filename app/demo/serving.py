"""The scoring service of the story: the endpoint that the release phase tests before it is used."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from app.demo.market import INPUTS
from app.demo.scorers import LogisticRegression

_MOST = 65_536


class BadInput(ValueError):
    """The caller did not send what the version was built on."""


def answer(model: LogisticRegression, body: bytes) -> dict[str, float]:
    """Return the probability for one half-hour, sent as its inputs by name."""
    try:
        sent = json.loads(body)
    except ValueError as error:
        raise BadInput("not JSON") from error
    if not isinstance(sent, dict) or set(sent) != set(INPUTS):
        raise BadInput(f"exactly these inputs are needed: {', '.join(INPUTS)}")
    values = [sent[name] for name in INPUTS]
    if not all(isinstance(value, int | float) and np.isfinite(value) for value in values):
        raise BadInput("every input is a number")
    return {"probability": float(model.score(np.array([values]))[0])}


@contextmanager
def serve(model: LogisticRegression) -> Iterator[str]:
    """Serve a version on a free port of this machine; yield its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        timeout = 30

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if length > _MOST:
                self.close_connection = True
                self._send(413, {"error": "too long"})
                return
            try:
                self._send(200, answer(model, self.rfile.read(length)))
            except BadInput as error:
                self._send(422, {"error": str(error)})

        def do_GET(self) -> None:
            self._send(200, {"status": "ready", "digest": model.digest})

        def _send(self, status: int, said: dict[str, Any]) -> None:
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing: the story is on the screen."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
