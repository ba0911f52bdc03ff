"""Look-ups: the quick way of a typed GET route that is called for every decision somewhere.

A typed route costs some 150 µs of framework and a handful of round trips. Where the answer is a few
names, a look-up has its permission checked here, and is asked for together with all that arrive
while the question before is on its way. It answers only what it finds: refusals, queries and keys
for some points only are left to the typed route, which stands behind it under the same path.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson
import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.actor import Actor
from app.kit.refusal import Refusal
from app.platform.db import Database
from app.platform.http.body import Receive, Scope
from app.platform.http.guard import Authenticator, require
from app.platform.http.problems import from_database
from app.platform.http.raw import JSON, Answer, refused

Key = tuple[str, ...]
V = TypeVar("V")
_MOST = 200


class Together(Generic[V]):
    """Asks the database for many keys at once, one question at a time for each tenant.

    What is asked for while a question is on its way goes with the next one: a question always
    begins after all who wait for it came, so that nobody is told what stood before he asked.
    """

    def __init__(
        self,
        database: Database,
        find: Callable[[AsyncSession, UUID, list[Key]], Awaitable[dict[Key, V]]],
    ) -> None:
        self._database = database
        self._find = find
        self._waiting: dict[UUID, dict[Key, asyncio.Future[V | None]]] = {}
        self._asking: dict[UUID, asyncio.Task[None]] = {}

    async def __call__(self, tenant_id: UUID, key: Key) -> V | None:
        """Return what stands behind a key, or nothing."""
        waiting = self._waiting.setdefault(tenant_id, {})
        answer = waiting.get(key)
        if answer is None:
            answer = waiting[key] = asyncio.get_running_loop().create_future()
            answer.add_done_callback(_heard)
        if tenant_id not in self._asking:
            self._asking[tenant_id] = asyncio.create_task(self._ask(tenant_id))
        return await asyncio.shield(answer)  # one who leaves takes nobody's answer with him

    async def _ask(self, tenant_id: UUID) -> None:
        try:
            while waiting := self._waiting.pop(tenant_id, None):
                keys = list(waiting)
                for at in range(0, len(keys), _MOST):
                    part = {key: waiting[key] for key in keys[at : at + _MOST]}
                    await self._answer(tenant_id, part)
        finally:
            del self._asking[tenant_id]

    async def _answer(self, tenant_id: UUID, part: "dict[Key, asyncio.Future[V | None]]") -> None:
        try:
            async with self._database.session(tenant_id) as session:
                found = await self._find(session, tenant_id, list(part))
        except Exception as error:  # noqa: BLE001 - whoever asked hears of it
            for answer in part.values():
                answer.set_exception(error)
        else:
            for key, answer in part.items():
                answer.set_result(found.get(key))


def _heard(answer: "asyncio.Future[Any]") -> None:
    """Take note of a failure that nobody waits for any more."""
    if not answer.cancelled():
        answer.exception()


@dataclass(frozen=True)
class Lookup:
    """The quick way of one route; ``pattern`` takes the path's parameters out."""

    path: str
    pattern: re.Pattern[str]
    permission: str
    authenticate: Authenticator
    find: Together[dict[str, Any]]

    def match(self, scope: Scope) -> Key | None:
        """Return the parameters of a plain request for this route."""
        if scope["method"] != "GET" or scope["query_string"]:
            return None
        found = self.pattern.fullmatch(scope["path"])
        return None if found is None else found.groups()

    async def answer(
        self,
        key: Key,
        headers: dict[bytes, bytes],
        scope: Scope,
        receive: Receive,  # noqa: ARG002 - a GET has no body
        request_id: str,
    ) -> Answer | None:
        """Answer a request, or leave it to the typed route."""
        try:
            authorization = headers.get(b"authorization")
            text = None if authorization is None else str(authorization, "latin-1")
            actor: Actor = await self.authenticate(text, scope.get("client"), paced=True)
            scope["state"]["actor"] = actor
            require(actor, self.permission)
            if actor.points is not None:
                return None
            found = await self.find(actor.tenant_id, key)
        except (Refusal, DBAPIError, PoolTimeout, psycopg.Error) as error:
            refusal = error if isinstance(error, Refusal) else from_database(error)
            if refusal is None:
                raise
            return refused(refusal, request_id)
        if found is None:
            return None
        return 200, [JSON], orjson.dumps(found, option=orjson.OPT_UTC_Z)


def lookup(
    path: str,
    permission: str,
    find: Callable[[AsyncSession, UUID, list[Key]], Awaitable[dict[Key, dict[str, Any]]]],
    database: Database,
    authenticate: Authenticator,
) -> Lookup:
    """Return the quick way of the typed route at ``path``."""
    return Lookup(path, pattern_of(path), permission, authenticate, Together(database, find))


def pattern_of(path: str) -> re.Pattern[str]:
    """Return what takes the names out of a path."""
    return re.compile(re.sub(r"\\\{\w+\\\}", r"([A-Za-z0-9._@-]{1,128})", re.escape(path)))
