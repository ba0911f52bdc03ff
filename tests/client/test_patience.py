"""The client waits for a server that is busy, and sends again what may be sent again."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from app.client import Client, Problem


class Busy(BaseHTTPRequestHandler):
    """Refuses the first calls as too many, and keeps what they were."""

    refuses: ClassVar[int]
    calls: ClassVar[list[tuple[str, str | None]]]

    def _answer(self) -> None:
        self.calls.append((self.command, self.headers.get("Idempotency-Key")))
        if len(self.calls) <= self.refuses:
            body: Any = {"code": "unavailable", "detail": "busy", "status": 503}
            self.send_response(503)
            self.send_header("Retry-After", "0.05")
            self.send_header("Content-Type", "application/problem+json")
        else:
            body = {"fine": True}
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
        sent = json.dumps(body).encode()
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    do_GET = do_POST = do_PUT = _answer  # noqa: N815 - the handler's names

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    Busy.calls, Busy.refuses = [], 2
    server = ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_who_is_patient_sends_the_same_again_under_the_same_key(url: str) -> None:
    with Client(url, "k", patience=5) as client:
        assert client.post("/v1/models", {}) == {"fine": True}
        assert client.get("/v1/me") == {"fine": True}

    assert [method for method, _ in Busy.calls] == ["POST"] * 3 + ["GET"]
    assert len({key for _, key in Busy.calls[:3]}) == 1


@pytest.mark.parametrize("patience", [0.0, 0.07])
def test_patience_ends(url: str, patience: float) -> None:
    with Client(url, "k", patience=patience) as client, pytest.raises(Problem) as refusal:
        client.get("/v1/me")

    assert refusal.value.status == 503
    assert len(Busy.calls) == (1 if patience == 0 else 2)


def test_what_has_no_key_is_sent_once(url: str) -> None:
    with Client(url, "k", patience=5) as client, pytest.raises(Problem):
        client.put("/v1/decision-points/p", {})

    assert len(Busy.calls) == 1
