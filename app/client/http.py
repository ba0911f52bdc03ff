"""Calls over HTTP; every error is a ``Problem`` that carries the server's own words."""

import ssl
import time
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from types import TracebackType
from typing import Any, Self

import httpx
import orjson

TIMEOUT = 30.0
PATIENCE = 20.0
"""Seconds that a script may wait for a server that is busy."""
_BUSY = frozenset({429, 503})


class Problem(Exception):
    """The server refused; ``document`` is its problem document."""

    def __init__(self, status: int, document: dict[str, Any]) -> None:
        detail = document.get("detail", "no detail")
        mend = document.get("mend")
        super().__init__(
            f"{status} {document.get('code')}: {detail}" + (f" {mend}" if mend else "")
        )
        self.status = status
        self.code = str(document.get("code", "unknown"))
        self.document = document


def _unwrap(response: httpx.Response) -> Any:
    kind = response.headers.get("content-type", "").partition(";")[0]
    if response.is_success:
        if not response.content:
            return None
        return orjson.loads(response.content) if kind == "application/json" else response.text
    if kind == "application/problem+json":
        raise Problem(response.status_code, response.json())
    raise Problem(response.status_code, {"code": "not_modelward", "detail": response.text[:200]})


@cache
def _tls() -> ssl.SSLContext:
    """Read the authorities once a process: it takes longer than many a call."""
    return httpx.create_ssl_context()


def _headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def redeem(url: str, code: str, *, days: int = 90) -> str:
    """Turn an invitation's code into its person's first key; it works once."""
    body = {"code": code, "days": days}
    with httpx.Client(base_url=url, timeout=TIMEOUT, verify=_tls()) as client:
        found = _unwrap(client.post("/v1/invitations:redeem", json=body))
    return str(found["key"])


class Client:
    """A synchronous client for pipelines and scripts, one principal each.

    For ``patience`` seconds it sends again what the server is too busy for and what may be sent
    again, whenever the server says so: reads, and what stands under an Idempotency-Key.
    """

    def __init__(self, url: str, key: str, *, patience: float = 0.0) -> None:
        self._http = httpx.Client(
            base_url=url, headers=_headers(key), timeout=TIMEOUT, verify=_tls()
        )
        self._patience = patience

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def get(self, path: str, **params: Any) -> Any:
        """GET ``path``."""
        return _unwrap(self._again(lambda: self._http.get(path, params=params)))

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """POST ``body`` to ``path``, under an Idempotency-Key so that it may be repeated."""
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        return _unwrap(self._again(lambda: self._http.post(path, json=body, headers=headers)))

    def _again(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        ends = time.monotonic() + self._patience
        while True:
            answer = send()
            if answer.status_code not in _BUSY:
                return answer
            wait = float(answer.headers.get("retry-after", 1))
            if time.monotonic() + wait > ends:
                return answer
            time.sleep(wait)

    def put(self, path: str, body: Any, *, revision: int | None = None) -> Any:
        """PUT ``body`` to ``path``, on ``revision`` where the resource asks for it."""
        headers = {} if revision is None else {"If-Match": f'"{revision}"'}
        return _unwrap(self._http.put(path, json=body, headers=headers))

    def patch(self, path: str, body: Any, *, revision: int) -> Any:
        """PATCH ``path`` as it stands at ``revision``."""
        headers = {"If-Match": f'"{revision}"'}
        return _unwrap(self._http.patch(path, json=body, headers=headers))

    def delete(self, path: str) -> None:
        """DELETE ``path``."""
        _unwrap(self._http.delete(path))

    def pages(self, path: str, **params: Any) -> Iterator[Any]:
        """Yield every item of a list, page by page."""
        cursor = None
        while True:
            found = self.get(path, **params, **({"cursor": cursor} if cursor else {}))
            yield from found["items"]
            cursor = found["next_cursor"]
            if cursor is None or not found["items"]:
                return


class AsyncClient:
    """The three calls of an application: route, events, outcomes.

    They are on its critical path, so they go straight to httpx's transport: cookies, redirects and
    the like, which no answer here has, would take half of an application's time for a call.
    """

    def __init__(self, url: str, key: str, *, connections: int = 8) -> None:
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._transport = httpx.AsyncHTTPTransport(verify=_tls(), limits=limits)
        self._url = url.rstrip("/")
        self._urls: dict[str, httpx.URL] = {}
        self._headers = {**_headers(key), "Content-Type": "application/json"}
        self._extensions = {"timeout": httpx.Timeout(TIMEOUT).as_dict()}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._transport.aclose()

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        url = self._urls.get(path) or self._urls.setdefault(path, httpx.URL(self._url + path))
        request = httpx.Request(
            "POST", url, headers=self._headers, content=orjson.dumps(body),
            extensions=self._extensions,
        )  # fmt: skip
        response = await self._transport.handle_async_request(request)
        try:
            await response.aread()
        finally:
            await response.aclose()
        return _unwrap(response)

    async def route(self, point: str, unit: str) -> Any:
        """Ask which version answers for ``unit`` at a decision point."""
        return await self._post(f"/v1/decision-points/{point}/route", {"unit": unit})

    async def events(self, events: list[dict[str, Any]], **rehearsal: Any) -> Any:
        """Send scored events; they are committed when this returns."""
        body = {"events": events, **rehearsal}
        return await self._post("/v1/events", body)

    async def outcomes(self, outcomes: list[dict[str, Any]], **rehearsal: Any) -> Any:
        """Send what became of decisions."""
        body = {"outcomes": outcomes, **rehearsal}
        return await self._post("/v1/outcomes", body)
