"""One request, one transaction, one truth.

``GovernedRoute`` wraps every typed route: it refuses queries it does not know, reads the body
within its limits, parses it strictly, opens the session, and commits before the response leaves.
Because the response is already rendered when the transaction commits, an Idempotency-Key's answer
is stored *in* it: after a lost connection or a crash the key tells whether the act happened, and a
second request that races the first waits on the key's row for a moment and gets 409.

A dependency with a scope would commit too late to do that, hence a route class.
"""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.routing import Match
from starlette.types import Scope

from app.kit.strictjson import loads
from app.platform.db import ALL_TENANTS, Database
from app.platform.http import idempotency
from app.platform.http.body import media_of, read, require_json, require_plain
from app.platform.http.guard import identify, permission_of, require
from app.platform.http.problems import request_id_of
from app.platform.http.query import require_known
from app.platform.settings import Settings

UPLOADS = frozenset({"application/vnd.apache.parquet", "application/octet-stream"})

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


async def _session(request: Request) -> AsyncSession:  # not async, it is run in a thread
    session: AsyncSession = request.state.session
    return session


Afterwards = Callable[[Response], Awaitable[Response]]
"""What ``request.state.afterwards`` makes of an answer whose act is committed, no session open.

It may wait for what the act began. A repeated Idempotency-Key is answered as the act was.
"""
Session = Annotated[AsyncSession, Depends(_session)]


async def _snapshot(request: Request) -> AsyncIterator[AsyncSession]:
    database: Database = request.app.state.database
    async with database.snapshot((await identify(request)).tenant_id) as session:
        yield session


Snapshot = Annotated[AsyncSession, Depends(_snapshot)]
"""A session beside the transaction, whose queries all see one moment."""


class GovernedRoute(APIRoute):
    """A route whose body is strict and whose work commits before its answer is sent."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match a path as FastAPI does, but let no name hold a colon: a verb follows it."""
        match, found = super().matches(scope)
        if any(":" in value for value in found.get("path_params", {}).values()):
            return Match.NONE, {}
        return match, found

    def get_route_handler(self) -> Handler:
        """Return FastAPI's handler inside a transaction."""
        inner = super().get_route_handler()
        permissions = [
            permission
            for dependency in self.dependant.dependencies
            if dependency.call is not None and (permission := permission_of(dependency.call))
        ]
        known = _parameters(self.dependant)
        uploads = UPLOADS | _declared(self.openapi_extra or {})

        async def handle(request: Request) -> Response:
            settings: Settings = request.app.state.settings
            database: Database = request.app.state.database
            # Who may not do it learns nothing else, and his body is not read.
            scope = ALL_TENANTS
            if permissions:
                actor = await identify(request)
                scope = actor.tenant_id
                for permission in permissions:
                    require(actor, permission)
            require_known(request.scope["query_string"], known)
            if request.method in {"POST", "PUT", "PATCH", "DELETE"}:
                await _take_body(request, settings, uploads)
            async with database.session(scope) as session:
                request.state.session = session
                key = request.headers.get("idempotency-key")
                # A key belongs to a caller: what is public has none, and repeats by its own rules.
                if request.method != "POST" or key is None or not permissions:
                    response = await inner(request)
                else:
                    response = await _once(request, session, key, inner)
                await session.commit()
            await request.app.state.follow(session)
            later: Afterwards | None = getattr(request.state, "afterwards", None)
            return response if later is None else await later(response)

        return handle


def _parameters(dependant: Dependant) -> frozenset[str]:
    """Return the names of the query of a route and all that it depends on."""
    own = frozenset(field.alias for field in dependant.query_params)
    return own.union(*(_parameters(inner) for inner in dependant.dependencies))


def _declared(extra: dict[str, Any]) -> frozenset[str]:
    """Return the media types besides JSON that a route says it takes."""
    content = extra.get("requestBody", {}).get("content", {})
    return frozenset(content) - {"application/json"}


async def _take_body(request: Request, settings: Settings, uploads: frozenset[str]) -> None:
    """Put the body, read within limits and parsed strictly, where Starlette will find it."""
    media, encoding = (request.headers.get(f"content-{name}") for name in ("type", "encoding"))
    require_plain(encoding)
    upload = media_of(media) in uploads
    limit = settings.max_upload_bytes if upload else settings.max_body_bytes
    length = dict(request.scope["headers"]).get(b"content-length")
    body = request.scope["state"].get("body")  # of a shortcut that left the rest to us
    if body is None:
        body = await read(length, request.receive, limit, settings.body_seconds)
    request._body = body  # noqa: SLF001 - where Starlette keeps a body that was read
    if not body or upload:
        return
    require_json(media, encoding)
    request._json = loads(body)  # noqa: SLF001 - likewise


async def _once(request: Request, session: AsyncSession, key: str, inner: Handler) -> Response:
    actor = await identify(request)
    asked = (request.method, str(request.url.path), request.url.query)
    fingerprint = hashlib.sha256(
        b"\n".join((*(part.encode() for part in asked), await request.body()))
    ).digest()
    request_id = request_id_of(request)
    stored = await idempotency.claim(session, actor, key, fingerprint, request_id)
    if stored is not None:
        return stored
    response = await inner(request)
    await idempotency.keep(session, actor, key, response)
    return response


def router(prefix: str = "", *, tag: str) -> APIRouter:
    """Return a router of governed routes; operation ids read ``tag:function``."""
    return APIRouter(
        prefix=prefix,
        tags=[tag],
        route_class=GovernedRoute,
        generate_unique_id_function=lambda route: f"{tag}:{route.name}",
    )
