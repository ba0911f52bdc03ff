"""Receivers of webhooks, as real servers of our own, and how the specification verifies them."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ARRIVES_SECONDS = 60
HANG = -1


@dataclass(frozen=True)
class Message:
    """What came, as it came."""

    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> Any:
        return json.loads(self.body)

    def signed_with(self, secret: str) -> bool:
        """Verify as the specification of Standard Webhooks says, step by step."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        content = ".".join([self.id, self.headers["webhook-timestamp"], self.body.decode("utf-8")])
        digest = hmac.new(key, content.encode("utf-8"), hashlib.sha256).digest()
        wanted = base64.b64encode(digest).decode()
        given = [item.split(",", 1) for item in self.headers["webhook-signature"].split(" ")]
        return ["v1", wanted] in given


@dataclass
class Sink:
    """A receiver. ``answers`` says what each message is answered; the last one, all further."""

    url: str
    answers: list[int]
    location: str | None = None
    slow: float = 0.0
    got: list[Message] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def answer(self) -> int:
        return self.answers[min(len(self.got), len(self.answers)) - 1]

    def wait(self, true: Callable[[list[Message]], object]) -> list[Message]:
        """Wait until what came is as it should be; return it."""
        deadline = time.monotonic() + ARRIVES_SECONDS
        while not true(self.got):
            assert time.monotonic() < deadline, [message.event["type"] for message in self.got]
            time.sleep(0.02)
        return list(self.got)

    def of(self, kind: str, **facts: Any) -> list[Message]:
        """Return the messages of a type of event with these facts."""
        return [
            message
            for message in self.got
            if message.event["type"] == kind and facts.items() <= message.event["data"].items()
        ]


@contextmanager
def sink(*answers: int, location: str | None = None, slow: float = 0.0) -> Iterator[Sink]:
    """Run a receiver on a port of its own until the test is over."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            found.got.append(Message(headers, body, time.monotonic()))
            status = found.answer()
            if status == HANG:
                found.released.wait(60)
                self.close_connection = True
                return
            time.sleep(slow)
            self.send_response(status)
            if found.location:
                self.send_header("Location", found.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

        def handle(self) -> None:
            with suppress(OSError):  # who called has gone: that is what is tried
                super().handle()

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, *_: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    found = Sink(
        f"http://127.0.0.1:{server.server_port}/in", list(answers) or [204], location, slow
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield found
    finally:
        found.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
