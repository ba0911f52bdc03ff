"""The outermost ASGI layer: request ids, metrics, access log, hot routes, last resort."""

import itertools
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
from prometheus_client import CollectorRegistry, Counter, Histogram

from app.platform.http.body import Receive, Scope
from app.platform.http.problems import MEDIA_TYPE, fault_document
from app.platform.http.raw import HotRoute, Send

logger = logging.getLogger("modelward.access")

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
# Unique across processes by its random beginning, cheap by its count.
_PROCESS = secrets.token_hex(11)
_NUMBERS = itertools.count(1)
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]


class HttpMetrics:
    """Requests by route and status, and how long they took."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "modelward_http_requests", "Requests answered.", ["route", "status"],
            registry=registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "modelward_http_seconds", "Seconds to the first byte of the answer.", ["route"],
            buckets=_BUCKETS, registry=registry,
        )  # fmt: skip
        self._known: dict[tuple[str, int], tuple[Any, Any]] = {}

    def observe(self, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        found = self._known.get((route, status))
        if found is None:
            found = (self._requests.labels(route, str(status)), self._seconds.labels(route))
            self._known[route, status] = found
        found[0].inc()
        found[1].observe(seconds)


class Edge:
    """Wraps the application; answers hot routes itself."""

    def __init__(self, app: ASGI, hot: Sequence[HotRoute], metrics: HttpMetrics) -> None:
        self._app = app
        self._hot = tuple(hot)
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def answer(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", request_id.encode()),
                ]
            await send(message)

        hot = self._find(scope)
        try:
            await (hot or self._app)(scope, receive, answer)
        except Exception:
            logger.exception("fault", extra={"request_id": request_id, "path": scope["path"]})
            if status == 0:
                await _fault(request_id, answer)
        seconds = time.perf_counter() - started
        self._metrics.observe(_route(scope, hot), status, seconds)
        if hot is None:
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

    def _find(self, scope: Scope) -> HotRoute | None:
        if scope["method"] == "POST":
            path = scope["path"]
            for hot in self._hot:
                if hot.match(path) is not None:
                    return hot
        return None


def _route(scope: Scope, hot: HotRoute | None) -> str:
    """Return the route's template: a path's parameters must not become label values."""
    if hot is not None:
        return hot.path
    return str(getattr(scope.get("route"), "path", "unmatched"))


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    return f"{_PROCESS}{next(_NUMBERS):010x}"


async def _fault(request_id: str, send: Send) -> None:
    body = orjson.dumps(fault_document(request_id))
    head = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 500, "headers": head})
    await send({"type": "http.response.body", "body": body})
