"""uvicorn with the limits it lacks, and a word when it is ready."""

import asyncio
import gc
import re
import socket
import sys
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import orjson
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.kit.refusal import Kind, Malformed, Refusal
from app.platform.http.problems import MEDIA_TYPE, document
from app.platform.http.request_ids import request_id

HEADER_SECONDS = 10.0
HEAD_BYTES = 65_536
LINGER_SECONDS = 1.0
_OFFER = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_CONTINUE = b"HTTP/1.1 100 "


class NoHttp(Malformed):
    """What came cannot be read as a request."""

    code = "no_http"
    title = "Not an HTTP request"
    mend = "Speak HTTP/1.1."


class HeadTooLarge(Refusal):
    """The request line and its fields are longer than any honest request's."""

    kind = Kind.HEAD_TOO_LARGE
    code = "head_too_large"
    title = "Request header fields too large"
    mend = "Send fewer or shorter header fields."


class Flush:
    """Sends what the connections of one turn of the event loop have to send, one after another.

    Answers that leave together wake a client once; a client on the same machine, or a proxy, else
    sleeps between any two of them, and waking it costs more than deciding.
    """

    def __init__(self) -> None:
        self._waiting: list[Answers] = []

    def later(self, answers: "Answers") -> None:
        """Send after the requests that are ready now were served."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._run)
        self._waiting.append(answers)

    def _run(self) -> None:
        waiting, self._waiting = self._waiting, []
        for answers in waiting:
            answers.flush()


class Answers:
    """A connection's transport that sends an answer's head and the beginning of its body as one.

    uvicorn writes them one after the other, and each write is a packet.
    """

    def __init__(self, transport: Any, flush: Flush) -> None:
        self._transport = transport
        self._flush = flush
        self._held = b""
        self._parts = 0

    def write(self, data: bytes) -> None:
        """Hold a head and what follows it; send the rest at once."""
        if not self._parts and data.startswith(_CONTINUE):
            self._transport.write(data)
            return
        self._parts += 1
        if self._parts == 1:
            self._held += data
        elif self._parts == 2:  # noqa: PLR2004 - the beginning of the body
            self._held += data
            self._flush.later(self)
        else:
            self.flush()
            self._transport.write(data)

    def end(self) -> None:
        """End an answer, one without a body too."""
        if self._parts == 1:
            self._flush.later(self)
        self._parts = 0

    def flush(self) -> None:
        """Send what is held."""
        if self._held and not self._transport.is_closing():
            self._transport.write(self._held)
        self._held = b""

    def is_closing(self) -> bool:
        """Say whether the connection is at its end."""
        return bool(self._transport.is_closing())

    def close(self) -> None:
        """Send what is held, then close."""
        self.flush()
        self._transport.close()


def _without_offers(data: bytes) -> bytes:
    """Rename the Upgrade fields of a head: offers we never take.

    The parser ends a request at such an offer and loses its body; HTTP says that whoever does not
    take one reads on (RFC 9110, 7.8). Java's HTTP client makes it with its first request.
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    return _OFFER.sub(b"\r\nx-not-upgraded:", head) + end + rest


_FLUSH = Flush()


class TimedProtocol(HttpToolsProtocol):
    """Cuts connections whose request head does not arrive in time; uvicorn waits for ever."""

    _head: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _over = False
    _between = True
    """Whether no request's body is under way."""

    def connection_made(self, transport: Any) -> None:
        """Start the clock with the connection."""
        super().connection_made(transport)
        self._answers = Answers(transport, _FLUSH)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Start the clock with the first byte of a request."""
        if self._over:
            return
        if self._head is None and (self.cycle is None or self.cycle.response_complete):
            self._expect_head()
        if self._between:
            self._head_bytes += len(data)
            if b"pgrade" in data or b"PGRADE" in data:
                data = _without_offers(data)
        super().data_received(data)
        if self._between and self._head_bytes > HEAD_BYTES:
            self._hang_up(HeadTooLarge(f"The request's head is longer than {HEAD_BYTES} bytes."))

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own sentence
        """Answer bytes that are no HTTP with a problem document, as everything else."""
        self._hang_up(NoHttp("These bytes are no HTTP request."))

    def _hang_up(self, refusal: Refusal) -> None:
        if self._over or self.transport.is_closing():
            return
        self._forget_head()
        name = request_id()
        body = document(refusal, name)
        content = orjson.dumps(body)
        status = HTTPStatus(body["status"])
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(content)}\r\nx-request-id: {name}\r\nconnection: close\r\n\r\n"
        )
        self._answers.flush()
        self.transport.write(head.encode() + content)
        # Closed with bytes unread, the connection would be reset, and the answer lost with it.
        self._over = True
        self.transport.write_eof()
        self._head = self.loop.call_later(LINGER_SECONDS, self._cut)

    def on_headers_complete(self) -> None:
        """Stop the clock."""
        self._forget_head()
        self._between = False
        super().on_headers_complete()
        if self.cycle is not None:
            self.cycle.transport = self._answers  # type: ignore[assignment]

    def on_message_complete(self) -> None:
        """Expect another head, whether or not this request is answered already."""
        self._between, self._head_bytes = True, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Send an answer that had no body; let the next request's begin."""
        self._answers.end()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._forget_head()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._forget_head()
        self._head = asyncio.get_running_loop().call_later(HEADER_SECONDS, self._cut)

    def _forget_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _cut(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()


class Server(uvicorn.Server):
    """Calls ``ready`` with the bound URL once requests are answered."""

    def __init__(self, app: Any, host: str, port: int, ready: Callable[[str], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                loop="uvloop",
                http=TimedProtocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=10,
            )
        )
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say where."""
        await super().startup(sockets)
        if self.started:
            _tune_interpreter()
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._ready(f"http://{host}:{port}")


def _tune_interpreter() -> None:
    """Let the collector look at new objects only, and less often; let threads change sooner.

    What start-up made stays for good. A batch of events is thousands of objects that reference
    counting frees: looking through them every 700 costs a quarter of ingest. A thread that folds
    a batch may hold the others up for a millisecond, not for five.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    sys.setswitchinterval(0.005)
