"""Hot routes: raw ASGI endpoints that keep the manners of the typed ones.

A typed route costs some 150 µs of framework; a decision is made in a few. Hot routes stand in
``app.routes`` and in the OpenAPI document like any other, but the edge calls them directly.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import orjson
import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.kit.actor import Actor
from app.kit.refusal import Refusal, Unavailable
from app.platform.http.body import Receive, Scope, read, require_json
from app.platform.http.flight import Hold
from app.platform.http.guard import Authenticator, require
from app.platform.http.problems import MEDIA_TYPE, STATUS, document, from_database
from app.platform.http.problems import headers as problem_headers
from app.platform.http.query import require_known
from app.platform.http.upload import Bulk

logger = logging.getLogger(__name__)

T = TypeVar("T")
Send = Callable[[Any], Awaitable[None]]
Endpoint = Callable[[Actor, str, bytes], Coroutine[Any, Any, tuple[int, bytes]]]
"""Takes the caller, the path's one parameter and the body; returns status and JSON bytes."""

Now = Callable[[Actor, str, bytes], tuple[int, bytes]]
"""The same of what waits for nothing."""
Tagged = tuple[str, Callable[[], Awaitable[bytes]]]
"""An answer's ETag, and what makes its JSON."""
Conditional = Callable[[Actor, str, bytes], Tagged]
"""Takes the same, and need not make an answer that the caller has already."""

Headers = list[tuple[bytes, bytes]]
Answer = tuple[int, Headers, bytes]
"""Status, headers beside the length, body."""

JSON = (b"content-type", b"application/json")
_NO_PARAMETERS: frozenset[str] = frozenset()


@dataclass(frozen=True)
class HotRoute:
    """One hot route. ``prefix`` and ``suffix`` enclose the path's single parameter."""

    name: str
    prefix: str
    suffix: str
    permission: str
    authenticate: Authenticator
    body_limit: int
    body_seconds: float
    deadline: float | None
    """Seconds until the caller is told to come again, whatever the database does."""
    operation: dict[str, Any] = field(repr=False)
    endpoint: Endpoint | None = None
    now: Now | None = None
    """In place of ``endpoint``, of what waits for nothing: it may be answered without a task."""
    conditional: Conditional | None = None
    """In place of ``endpoint``, of what a caller may have already: he is not told twice."""
    bulk: Bulk | None = None
    """In place of ``endpoint``, of what takes many rows in bodies of several kinds."""
    method: str = "POST"

    @cached_property
    def keyed(self) -> bool:
        """Whether the path has a parameter: within it, or at its end."""
        return bool(self.suffix) or self.prefix.endswith("/")

    @cached_property
    def path(self) -> str:
        """The path as OpenAPI writes it."""
        return f"{self.prefix}{{key}}{self.suffix}" if self.keyed else self.prefix

    def match(self, path: str) -> str | None:
        """Return the path's parameter if ``path`` is this route's, else ``None``."""
        if not self.keyed:
            return "" if path == self.prefix else None
        if path.startswith(self.prefix) and path.endswith(self.suffix):
            found = path[len(self.prefix) : len(path) - len(self.suffix)]
            return found if found and "/" not in found else None
        return None

    async def answer(
        self,
        key: str,
        headers: dict[bytes, bytes],
        scope: Scope,
        receive: Receive,
        request_id: str,
    ) -> Answer:
        """Answer one request; refusals and database faults become problem documents."""
        try:
            peer = scope.get("client")
            actor = await self.authenticate(text(headers.get(b"authorization")), peer, paced=False)
            require(actor, self.permission)
            if self.bulk is not None:
                status, answer = await self._bulk(self.bulk, actor, headers, scope, receive)
                return status, [JSON], answer
            require_known(scope["query_string"], _NO_PARAMETERS)
            body = b"" if self.method == "GET" else await self._body(headers, receive)
            if self.conditional is not None:
                return await _unless_known(headers, *self.conditional(actor, key, body))
            if self.now is not None:
                status, answer = self.now(actor, key, body)
                return status, [JSON], answer
            assert self.endpoint is not None  # noqa: S101 - a route has one of the four
            if self.deadline is None:
                status, answer = await self.endpoint(actor, key, body)
            else:
                status, answer = await _within(self.deadline, self.endpoint(actor, key, body))
        except (Refusal, DBAPIError, PoolTimeout, psycopg.Error) as error:
            refusal = error if isinstance(error, Refusal) else from_database(error)
            if refusal is None:
                raise
            return refused(refusal, request_id)
        return status, [JSON], answer

    def at_once(
        self, key: str, headers: dict[bytes, bytes], body: bytes, request_id: str
    ) -> Answer | None:
        """Answer a whole request without waiting; ``None`` if something would have to be awaited.

        Nothing has happened then: it is asked again, as ``answer``.
        """
        assert self.now is not None  # noqa: S101 - nothing else is asked
        try:
            actor = self.authenticate.known(text(headers.get(b"authorization")))
            if actor is None:
                return None
            require(actor, self.permission)
            self._require_json(headers)
            status, answer = self.now(actor, key, body)
        except Refusal as refusal:
            return refused(refusal, request_id)
        return status, [JSON], answer

    async def _bulk(
        self,
        bulk: Bulk,
        actor: Actor,
        headers: dict[bytes, bytes],
        scope: Scope,
        receive: Receive,
    ) -> tuple[int, bytes]:
        upload, hold = await bulk.read(
            headers, scope["query_string"], receive, self.body_limit, self.body_seconds
        )
        work = _held(hold, bulk.take(actor, upload))
        return await (work if self.deadline is None else _within(self.deadline, work))

    @staticmethod
    def _require_json(headers: dict[bytes, bytes]) -> None:
        if headers.get(b"content-type") != JSON[1] or b"content-encoding" in headers:
            require_json(text(headers.get(b"content-type")), text(headers.get(b"content-encoding")))

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        self._require_json(headers)
        length = headers.get(b"content-length")
        return await read(length, receive, self.body_limit, self.body_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as a plain ASGI application, for whoever mounts it without the edge."""
        key, request_id = self.match(scope["path"]) or "", scope["state"]["request_id"]
        headers = dict(scope["headers"])
        answer = await self.answer(key, headers, scope, receive, request_id)
        await send_answer(send, answer, request_id)


async def _unless_known(
    headers: dict[bytes, bytes], tag: str, make: Callable[[], Awaitable[bytes]]
) -> Answer:
    """Return an answer, or that the caller has it already."""
    etag = (b"etag", tag.encode())
    known = (text(headers.get(b"if-none-match")) or "").split(",")
    if tag in {one.strip().removeprefix("W/") for one in known}:
        return 304, [etag], b""
    return 200, [JSON, etag], await make()


def refused(refusal: Refusal, request_id: str) -> Answer:
    """Return a refusal as an answer."""
    extra = [(b"content-type", MEDIA_TYPE.encode())]
    extra += [
        (name.lower().encode(), value.encode()) for name, value in problem_headers(refusal).items()
    ]
    return STATUS[refusal.kind].value, extra, orjson.dumps(document(refusal, request_id))


async def send_answer(send: Send, answer: Answer, request_id: str) -> None:
    """Send an answer with its length and its request's id."""
    status, extra, body = answer
    length, name = str(len(body)).encode(), request_id.encode()
    extra = [*extra, (b"content-length", length), (b"x-request-id", name)]
    await send({"type": "http.response.start", "status": status, "headers": extra})
    await send({"type": "http.response.body", "body": body})


async def _held(hold: Hold, work: Coroutine[Any, Any, T]) -> T:
    """Do work, and let go of its body when it is done, which may be after the deadline."""
    try:
        return await work
    finally:
        hold.release()


async def _within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """Wait for work so long; it is not cut off, for a database that hangs cannot be asked to stop.

    Whoever is told to come again may find his act done, and his events counted as duplicates.
    """
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if not done:
        task.add_done_callback(_forget)
        raise Unavailable("The database does not answer; what was sent may yet be stored.")
    return task.result()


def _forget(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.warning("late fault", extra={"reason": str(task.exception())[:200]})


def text(value: bytes | None) -> str | None:
    """Return a header's value as text."""
    return None if value is None else str(value, "latin-1")
