"""A cheap route with the key's check and without: the same handler, called through the edge.

No sockets: they cost the same on both sides and would only hide what the check costs. The route
with a check looks the key up and asks for a permission; the other is declared without. The same for
a hot route, where the other one knows its caller beforehand: an empty one takes five microseconds
without its socket, so that there the check's own time says more than the ratio.
"""

import time
from dataclasses import replace
from typing import Annotated, Any

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from app import identity
from app.kit.actor import Actor
from app.platform.db import ALL_TENANTS, Database
from app.platform.http import HotRoute, Peer, WrongCredentials, allow
from app.platform.http import router as make_router
from app.platform.http.edge import Edge
from app.platform.http.metrics import HttpMetrics
from app.platform.settings import Settings

CHECKED, OPEN = "/checked", "/open"
HOT_CHECKED, HOT_OPEN = "/hot/checked", "/hot/open"
PERMISSION = "catalog:read"


class Expected:
    """Lets everybody in as one it knows, unasked."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    async def __call__(self, authorization: str | None, peer: Peer, *, paced: bool) -> Actor:
        """Return him."""
        return self._actor

    def known(self, authorization: str | None) -> Actor | None:
        """Return him."""
        return self._actor


class Doors:
    """An application of four routes: typed and hot, each with a key's check and without."""

    def __init__(self, database: Database, settings: Settings, key: str) -> None:
        keyring = identity.Keyring(database, settings, WrongCredentials(settings))
        self._authorization = f"Bearer {key}"
        self._keyring = keyring
        self._api = FastAPI(redirect_slashes=False)
        self._api.state.settings = settings
        self._api.state.database = database
        self._api.state.authenticator = keyring
        router = make_router(tag="bench")

        @router.get(CHECKED)
        async def checked(_: Annotated[Actor, allow(PERMISSION)]) -> dict[str, bool]:
            return {"ok": True}

        @router.get(OPEN)
        async def unchecked() -> dict[str, bool]:
            return {"ok": True}

        self._api.include_router(router)

    async def open(self) -> None:
        """Let everybody in once, so that the key is known; then the doors can be measured."""
        known = await self._keyring(self._authorization, None, paced=False)

        async def endpoint(_actor: Actor, _key: str, _body: bytes) -> tuple[int, bytes]:
            return 200, b'{"ok":true}'

        guarded = HotRoute(
            name="bench:hot",
            prefix=HOT_CHECKED,
            suffix="",
            permission=PERMISSION,
            endpoint=endpoint,
            authenticate=self._keyring,
            body_limit=1024,
            body_seconds=1.0,
            deadline=None,
            operation={},
        )
        hot = [guarded, replace(guarded, prefix=HOT_OPEN, authenticate=Expected(known))]
        self._edge = Edge(self._api, hot, HttpMetrics(CollectorRegistry()))

    async def rate(self, path: str, calls: int) -> float:
        """Return requests a second of processor time at one of the doors: nothing here waits."""
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST" if path.startswith("/hot") else "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [
                (b"host", b"localhost"),
                (b"authorization", self._authorization.encode()),
                (b"content-type", b"application/json"),
                (b"content-length", b"2"),
            ],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }
        began = time.process_time()
        for _ in range(calls):
            await self._edge({**scope, "state": {}}, _receive, _send)
        return calls / (time.process_time() - began)


async def _receive() -> Any:
    return {"type": "http.request", "body": b"{}", "more_body": False}


async def _send(message: Any) -> None:
    if message["type"] == "http.response.start" and message["status"] != 200:
        raise AssertionError(message)


async def reader_key(database: Database) -> str:
    """Make a key of somebody who may read the catalog."""
    async with database.session(ALL_TENANTS) as session:
        tenant_id = await identity.default_tenant(session)
    system = Actor.system(tenant_id)
    async with database.transaction(tenant_id) as session:
        person = await identity.create_principal(
            session,
            name="reader",
            kind=identity.PrincipalKind.PERSON,
            owner=None,
            roles={identity.Role.DEVELOPER},
            by=system,
        )
        return (await identity.issue_key(session, person, days=1, by=system))[1]
