"""Look-ups: the quick way of a typed GET route that is called for every decision somewhere.

A typed route costs some 150 µs of framework and a handful of round trips. Where the answer is a few
names, a look-up has its permission checked here, and is asked for together with all that arrive
while the question before is on its way. It answers only what it finds: refusals, queries and keys
for some points only are left to the typed route, which stands behind it under the same path.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.kit.actor import Actor
from app.kit.refusal import Refusal
from app.platform.http.body import Receive, Scope
from app.platform.http.guard import Authenticator, require
from app.platform.http.problems import from_database
from app.platform.http.raw import JSON, Answer, refused, text
from app.platform.together import Together

Key = tuple[str, ...]
Find = Callable[[UUID, list[Key]], Awaitable[dict[Key, dict[str, Any]]]]
"""Returns what stands behind keys of a tenant: of those behind which something does."""


@dataclass(frozen=True)
class Lookup:
    """The quick way of one route; ``pattern`` takes the path's parameters out."""

    path: str
    pattern: re.Pattern[str]
    permission: str
    authenticate: Authenticator
    find: Together[UUID, Key, dict[str, Any]]

    def match(self, scope: Scope) -> Key | None:
        """Return the parameters of a plain request for this route."""
        return plain(scope, "GET", self.pattern)

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
            actor: Actor = await self.authenticate(
                text(headers.get(b"authorization")), scope.get("client"), paced=True
            )
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
    find: Find,
    authenticate: Authenticator,
) -> Lookup:
    """Return the quick way of the typed route at ``path``."""
    return Lookup(path, pattern_of(path), permission, authenticate, Together(find))


def plain(scope: Scope, method: str, pattern: re.Pattern[str]) -> Key | None:
    """Return the names in a request's path, if it is of a pattern and asks nothing besides."""
    if scope["method"] != method or scope["query_string"]:
        return None
    found = pattern.fullmatch(scope["path"])
    return None if found is None else found.groups()


def pattern_of(path: str) -> re.Pattern[str]:
    """Return what takes the names out of a path."""
    return re.compile(re.sub(r"\\\{\w+\\\}", r"([A-Za-z0-9._@-]{1,128})", re.escape(path)))
