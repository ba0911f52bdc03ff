"""The outermost ASGI layer: request ids, metrics, access log, hot routes, last resort."""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import orjson

from app.platform.http.body import Receive, Scope
from app.platform.http.metrics import HttpMetrics
from app.platform.http.problems import MEDIA_TYPE, fault_document
from app.platform.http.quick import Quick
from app.platform.http.raw import Answer, HotRoute, Send, send_answer
from app.platform.http.request_ids import request_id as new_id

logger = logging.getLogger("modelward.access")

A = TypeVar("A")
ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]


class Edge:
    """Wraps the application; answers hot routes itself."""

    def __init__(
        self,
        app: ASGI,
        hot: Sequence[HotRoute],
        metrics: HttpMetrics,
        quick: Sequence[Quick] = (),
    ) -> None:
        self._app = app
        self._hot = tuple(hot)
        self._now = tuple(one for one in hot if one.now is not None and one.method == "POST")
        self._quick = tuple(quick)
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = dict(scope["headers"])
        request_id = new_id(headers.get(b"x-request-id"))
        scope.setdefault("state", {})["request_id"] = request_id
        found = self._find(scope)
        quick = None
        if found is None:
            quick = await self._answered(headers, scope, receive, send, request_id)
        if quick is not None:
            status, route = quick
        elif found is None:
            status = await self._typed(scope, receive, send, request_id)
            route = str(getattr(scope.get("route"), "path", "unmatched"))
        else:
            hot, key = found
            status = await _hot(hot, key, headers, scope, receive, send, request_id)
            route = hot.path
        seconds = time.perf_counter() - started
        self._metrics.observe(route, status, seconds)
        # What is asked a thousand times a second is counted, and not told one by one.
        if found is None and (quick is None or scope["method"] != "GET"):
            logger.info(
                "request",
                extra={
                    "request_id": request_id,
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": status,
                    "ms": round(seconds * 1000, 2),
                },
            )

    def at_once(
        self, path: str, headers: dict[bytes, bytes], body: bytes
    ) -> tuple[Answer, str] | None:
        """Answer a whole POST without waiting, if that can be; with the name it goes by.

        It is what ``__call__`` would answer, without a task and messages, which together cost more
        than deciding.
        """
        for route in self._now:
            key = route.match(path)
            if key is not None:
                break
        else:
            return None
        if len(body) > route.body_limit:
            return None
        started = time.perf_counter()
        request_id = new_id(headers.get(b"x-request-id"))
        try:
            answer = route.at_once(key, headers, body, request_id)
        except Exception:
            logger.exception("fault", extra={"request_id": request_id, "path": path})
            answer = _fault(request_id)
        if answer is None:
            return None
        self._metrics.observe(route.path, answer[0], time.perf_counter() - started)
        return answer, request_id

    def _find(self, scope: Scope) -> tuple[HotRoute, str] | None:
        method, path = scope["method"], scope["path"]
        for hot in self._hot:
            if hot.method == method:
                key = hot.match(path)
                if key is not None:
                    return hot, key
        return None

    async def _answered(
        self,
        headers: dict[bytes, bytes],
        scope: Scope,
        receive: Receive,
        send: Send,
        request_id: str,
    ) -> tuple[int, str] | None:
        """Answer the quick way, if there is one; return status and route."""
        for one in self._quick:
            key = one.match(scope)
            if key is None:
                continue
            answering = one.answer(key, headers, scope, receive, request_id)
            answer = await _or_fault(answering, scope, request_id)
            if answer is None:
                return None
            await send_answer(send, answer, request_id)
            return answer[0], one.path
        return None

    async def _typed(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> int:
        """Let the application answer; return its status."""
        status = 0

        async def forward(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", request_id.encode()),
                ]
            await send(message)

        try:
            await self._app(scope, receive, forward)
        except Exception:
            logger.exception("fault", extra=_place(scope, request_id))
            if status == 0:
                answer = _fault(request_id)
                status = answer[0]
                await send_answer(send, answer, request_id)
        return status


async def _hot(
    hot: HotRoute,
    key: str,
    headers: dict[bytes, bytes],
    scope: Scope,
    receive: Receive,
    send: Send,
    request_id: str,
) -> int:
    """Let a hot route answer; return its status."""
    answering = hot.answer(key, headers, scope, receive, request_id)
    found = await _or_fault(answering, scope, request_id)
    await send_answer(send, found, request_id)
    return found[0]


async def _or_fault(answering: Awaitable[A], scope: Scope, request_id: str) -> A | Answer:
    """Return an answer, or a fault's where making it failed."""
    try:
        return await answering
    except Exception:
        logger.exception("fault", extra=_place(scope, request_id))
        return _fault(request_id)


def _place(scope: Scope, request_id: str) -> dict[str, str]:
    return {"request_id": request_id, "path": scope["path"]}


def _fault(request_id: str) -> Answer:
    return 500, [(b"content-type", MEDIA_TYPE.encode())], orjson.dumps(fault_document(request_id))
