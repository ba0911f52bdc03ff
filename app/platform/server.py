"""uvicorn with the limits it lacks, and a word when it is ready."""

import asyncio
import gc
import os
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import orjson
import uvicorn
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.kit.refusal import Kind, Malformed, Refusal
from app.platform.answers import Answers, Flush
from app.platform.http.problems import MEDIA_TYPE, document
from app.platform.http.request_ids import request_id
from app.platform.whole import HEAD_BYTES, AtOnce, whole, written

HEADER_SECONDS = 10.0
LINGER_SECONDS = 1.0
_OFTEN = 1.0
"""An idle connection may end so much earlier than it would if every answer wound its clock."""


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


def _too_large() -> HeadTooLarge:
    return HeadTooLarge(f"The request's head is longer than {HEAD_BYTES} bytes.")


_FLUSH = Flush()


class TimedProtocol(HttpToolsProtocol):
    """Cuts connections whose request head does not arrive in time; uvicorn waits for ever."""

    _head: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _over = False
    _refusal: Refusal | None = None
    _request_line = b""
    _amid = False
    """Whether the parser has begun a request that is not at its end."""
    _between = True
    """Whether no request's body is under way."""
    _answered_at = 0.0
    at_once: AtOnce | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the clock with the connection."""
        super().connection_made(transport)
        self._answers = Answers(transport, _FLUSH)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Start the clock with the first byte of a request."""
        if self._over or self._answered(data):
            return
        if self._head is None and (self.cycle is None or self.cycle.response_complete):
            self._expect_head()
        self._unset_keepalive_if_required()
        if self._between:
            self._head_bytes += len(data)
        while data and not self._over:
            data = self._feed(data)
        if self._between and self._head_bytes > HEAD_BYTES:
            self._hang_up(_too_large())

    def _answered(self, data: bytes) -> bool:
        """Answer a request that came whole to an idle connection, if the application does at once.

        Nothing was read of it yet: what is not answered here is parsed as if it had just come.
        """
        if (
            self.at_once is None
            or self._amid
            or not (self.cycle is None or self.cycle.response_complete)
            or self.flow.write_paused
            or self.transport.is_closing()
        ):
            return False
        request = whole(data)
        answer = self.at_once(*request) if request is not None else None
        if answer is None:
            return False
        self._forget_head()
        (status, headers, body), name = answer
        self._answers.whole(written(status, self.server_state.default_headers, headers, body, name))
        now = self.loop.time()
        if self.timeout_keep_alive_task is None or now - self._answered_at > _OFTEN:
            self._answered_at = now
            super().on_response_complete()
        else:  # the clock that ends an idle connection was wound just now
            self.server_state.total_requests += 1
        return True

    def _feed(self, data: bytes) -> bytes:
        """Parse; return what stands behind an offer to upgrade, to be parsed as HTTP all the same.

        The parser ends a request at an offer and loses its body, while HTTP has whoever does not
        take one read on (RFC 9110, 7.8). Java's HTTP client makes one with its first request. The
        head as the parser understood it is put before the rest, less the offer.
        """
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as offer:
            self.parser = HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
            return self._declined() + data[offer.args[0] :]
        except HttpParserError:
            self._hang_up(NoHttp("These bytes are no HTTP request."))
        return b""

    def _declined(self) -> bytes:
        fields = [field for field in self.headers if field[0] != b"upgrade"]
        lines = [self._request_line, *(b"%b: %b" % field for field in fields), b"", b""]
        return b"\r\n".join(lines)

    def _hang_up(self, refusal: Refusal) -> None:
        """Refuse what is being read and end the connection, once what was read is answered."""
        if self._over or self.transport.is_closing():
            return
        self._over = True
        self._forget_head()
        if self.cycle is None or self.cycle.response_complete:
            self._refuse(refusal)
        elif self._between:
            self._refusal = refusal
        else:  # within a body: the request under way is the one refused
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._refuse(refusal)

    def _refuse(self, refusal: Refusal) -> None:
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
        self.transport.write_eof()
        self._head = self.loop.call_later(LINGER_SECONDS, self._cut)

    def on_message_begin(self) -> None:
        """Note that what comes belongs to a request now, however little of it is there."""
        self._amid = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stop the clock; let no head through that is too large or only an offer."""
        if self._over:
            return
        self._forget_head()
        if self._head_bytes > HEAD_BYTES and self._head_size() > HEAD_BYTES:
            self._hang_up(_too_large())
            return
        if self.parser.should_upgrade():
            method = self.parser.get_method()
            if method == b"CONNECT":
                self._hang_up(NoHttp("CONNECT is for proxies."))
            self._request_line = b"%b %b HTTP/%b" % (
                method, self.url, self.parser.get_http_version().encode(),
            )  # fmt: skip
            return
        self._between = False
        super().on_headers_complete()
        self.cycle.transport = self._answers  # type: ignore[assignment]

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def on_body(self, body: bytes) -> None:
        """Take a part of a body, if its request was let through."""
        if not self._over:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Expect another head, whether or not this request is answered already."""
        self._amid = False
        if self._over or self._between:  # a request that was not let through
            return
        self._between, self._head_bytes = True, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Send an answer that had no body; let the next request's begin."""
        self._answers.end()
        super().on_response_complete()
        if self._refusal is not None and self.cycle.response_complete:
            self._refuse(self._refusal)

    def shutdown(self) -> None:
        """Send what is held before the connection is closed or let run out."""
        self._answers.flush()
        super().shutdown()

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
                http=_protocol(app),
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                # uvicorn by itself believes whoever calls from the same machine.
                proxy_headers=bool(os.environ.get("FORWARDED_ALLOW_IPS")),
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


def _protocol(app: Any) -> type[TimedProtocol]:
    """Return the protocol of an application that may answer at once.

    It stands beside the application, for uvicorn may put a layer of its own around that.
    """
    at_once = getattr(app, "at_once", None)
    if at_once is None:
        return TimedProtocol
    return type("Protocol", (TimedProtocol,), {"at_once": staticmethod(at_once)})


def _tune_interpreter() -> None:
    """Let the collector look at new objects only, and less often.

    What start-up made stays for good. A batch of events is thousands of objects that reference
    counting frees: looking through them every 700 costs a quarter of ingest.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
