"""Look-ups: the quick way of a typed GET route that is called for every decision somewhere.

A typed route takes a handful of round trips. Where the answer is a few names, a look-up asks for it
together with all that arrive while the question before is on its way. It answers only what it
finds: refusals, queries and keys for some points only are left to the typed route.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from app.kit.actor import Actor
from app.platform.http.body import Receive, Scope
from app.platform.http.guard import Authenticator
from app.platform.http.quick import Key, Quick, pattern_of
from app.platform.http.raw import JSON, Answer
from app.platform.together import Together

Find = Callable[[UUID, list[Key]], Awaitable[dict[Key, dict[str, Any]]]]
"""Returns what stands behind keys of a tenant: of those behind which something does."""


@dataclass(frozen=True)
class Lookup(Quick):
    """The quick way of one route that says what stands behind names."""

    method = "GET"
    find: Together[UUID, Key, dict[str, Any]]

    async def answered(
        self,
        actor: Actor,
        key: Key,
        headers: dict[bytes, bytes],  # noqa: ARG002 - nothing hangs on them
        scope: Scope,  # noqa: ARG002 - nor on this
        receive: Receive,  # noqa: ARG002 - a GET has no body
    ) -> Answer | None:
        """Answer what is found."""
        if actor.points is not None:
            return None
        found = await self.find(actor.tenant_id, key)
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
