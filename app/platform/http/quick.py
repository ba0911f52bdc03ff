"""Quick ways: what answers a plain request of a typed route, which stands behind it.

A typed route costs some 150 µs of framework and a session. A quick way has the caller known and
his permission checked by the same code, and answers; what it does not answer it leaves to the typed
route, under the same path.
"""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.kit.actor import Actor
from app.kit.refusal import Refusal
from app.platform.http.body import Receive, Scope
from app.platform.http.guard import Authenticator, require
from app.platform.http.problems import from_database
from app.platform.http.raw import Answer, refused, text

Key = tuple[str, ...]


@dataclass(frozen=True)
class Quick(ABC):
    """The quick way of one route; ``pattern`` takes the names out of its path."""

    method: ClassVar[str]
    path: str
    pattern: re.Pattern[str]
    permission: str
    authenticate: Authenticator

    def match(self, scope: Scope) -> Key | None:
        """Return the names in the path of a request for this route that asks nothing besides."""
        if scope["method"] != self.method or scope["query_string"]:
            return None
        found = self.pattern.fullmatch(scope["path"])
        return None if found is None else found.groups()

    async def answer(
        self,
        key: Key,
        headers: dict[bytes, bytes],
        scope: Scope,
        receive: Receive,
        request_id: str,
    ) -> Answer | None:
        """Answer a request, or leave it to the typed route."""
        try:
            actor = await self.authenticate(
                text(headers.get(b"authorization")), scope.get("client"), paced=True
            )
            scope["state"]["actor"] = actor
            require(actor, self.permission)
            return await self.answered(actor, key, headers, scope, receive)
        except (Refusal, DBAPIError, PoolTimeout, psycopg.Error) as error:
            refusal = error if isinstance(error, Refusal) else from_database(error)
            if refusal is None:
                raise
            return refused(refusal, request_id)

    @abstractmethod
    async def answered(
        self,
        actor: Actor,
        key: Key,
        headers: dict[bytes, bytes],
        scope: Scope,
        receive: Receive,
    ) -> Answer | None:
        """Answer a caller who may ask; nothing, if the typed route is to."""


def pattern_of(path: str) -> re.Pattern[str]:
    """Return what takes the names out of a path."""
    return re.compile(re.sub(r"\\\{\w+\\\}", r"([A-Za-z0-9._@-]{1,128})", re.escape(path)))
