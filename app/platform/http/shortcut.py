"""Shortcuts: the quick way of a typed POST route that machines call again and again.

A typed route costs more than many an act: dependencies, a session that is not needed, an answer
that is looked at twice. A shortcut has the body parsed by the same code, and acts. What it cannot
read it leaves to the typed route, which says what is wrong; so it does with an Idempotency-Key,
whose answer is kept in the act's own transaction.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from app.kit.actor import Actor
from app.kit.strictjson import loads
from app.platform.http.body import Receive, Scope, read, require_json
from app.platform.http.guard import Authenticator
from app.platform.http.quick import Key, Quick, pattern_of
from app.platform.http.raw import JSON, Answer, text
from app.platform.settings import Settings

B = TypeVar("B", bound=BaseModel)
Made = tuple[dict[str, Any], int]
"""What an act answers, by the fields of its model, and the revision it now has."""


@dataclass(frozen=True)
class Shortcut(Quick, Generic[B]):
    """The quick way of one route that makes something; ``act`` takes caller, path and body."""

    method = "POST"
    settings: Settings
    body: type[B]
    act: Callable[[Actor, Key, B], Awaitable[Made]]

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
        return await super().answer(key, headers, scope, receive, request_id)

    async def answered(
        self,
        actor: Actor,
        key: Key,
        headers: dict[bytes, bytes],
        scope: Scope,
        receive: Receive,
    ) -> Answer | None:
        """Act on a body that can be read."""
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
