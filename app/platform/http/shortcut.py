"""Shortcuts: the quick way of a typed POST route that machines call again and again.

A typed route costs more than many an act: dependencies, a session that is not needed, an answer
that is looked at twice. A shortcut has the permission checked and the body parsed by the same code,
and acts. What it cannot read it leaves to the typed route, which stands behind it under the same
path and says what is wrong; so it does with an Idempotency-Key, whose answer is kept in the act's
own transaction.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson
import psycopg
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.kit.actor import Actor
from app.kit.refusal import Refusal
from app.kit.strictjson import loads
from app.platform.http.body import Receive, Scope, read, require_json
from app.platform.http.guard import Authenticator, require
from app.platform.http.lookup import Key, pattern_of, plain
from app.platform.http.problems import from_database
from app.platform.http.raw import JSON, Answer, refused, text
from app.platform.settings import Settings

B = TypeVar("B", bound=BaseModel)
Made = tuple[dict[str, Any], int]
"""What an act answers, by the fields of its model, and the revision it now has."""


@dataclass(frozen=True)
class Shortcut(Generic[B]):
    """The quick way of one route that makes something; ``act`` takes caller, path and body."""

    path: str
    pattern: re.Pattern[str]
    permission: str
    authenticate: Authenticator
    settings: Settings
    body: type[B]
    act: Callable[[Actor, Key, B], Awaitable[Made]]

    def match(self, scope: Scope) -> Key | None:
        """Return the parameters of a plain request for this route."""
        return plain(scope, "POST", self.pattern)

    async def answer(
        self,
        key: Key,
        headers: dict[bytes, bytes],
        scope: Scope,
        receive: Receive,
        request_id: str,
    ) -> Answer | None:
        """Answer a request, or leave it to the typed route."""
        if b"idempotency-key" in headers:
            return None
        try:
            actor: Actor = await self.authenticate(
                text(headers.get(b"authorization")), scope.get("client"), paced=True
            )
            scope["state"]["actor"] = actor
            require(actor, self.permission)
            length, settings = headers.get(b"content-length"), self.settings
            raw = await read(length, receive, settings.max_body_bytes, settings.body_seconds)
            scope["state"]["body"] = raw
            if not raw:
                return None
            require_json(text(headers.get(b"content-type")), text(headers.get(b"content-encoding")))
            try:
                asked = self.body.model_validate(loads(raw))
            except ValidationError:
                return None
            made, revision = await self.act(actor, key, asked)
        except (Refusal, DBAPIError, PoolTimeout, psycopg.Error) as error:
            refusal = error if isinstance(error, Refusal) else from_database(error)
            if refusal is None:
                raise
            return refused(refusal, request_id)
        etag = (b"etag", f'"{revision}"'.encode())
        return 201, [JSON, etag], orjson.dumps(made, option=orjson.OPT_UTC_Z)


def shortcut(
    path: str,
    permission: str,
    body: type[B],
    act: Callable[[Actor, Key, B], Awaitable[Made]],
    authenticate: Authenticator,
    settings: Settings,
) -> Shortcut[B]:
    """Return the quick way of the typed route at ``path``."""
    return Shortcut(path, pattern_of(path), permission, authenticate, settings, body, act)
