"""Deny by default: a route says which permission it asks for, or it does not exist."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from app.kit.actor import Actor
from app.kit.refusal import Kind, Refusal


class Unauthenticated(Refusal):
    """Nobody, or somebody we do not know."""

    kind = Kind.UNAUTHENTICATED
    code = "unauthenticated"
    title = "Who are you?"
    mend = "Send a valid API key as `Authorization: Bearer <key>`."


class PermissionDenied(Refusal):
    """Known, but not entitled to this."""

    kind = Kind.FORBIDDEN
    code = "permission_denied"
    title = "Not yours to do"
    mend = "Ask an administrator for a role that carries the permission."

    def __init__(self, detail: str, *, permission: str, **extra: Any) -> None:
        carried = _CARRIED_BY.get(permission)
        super().__init__(
            detail,
            mend=f"Ask an administrator for a role that carries it: {', '.join(carried)}."
            if carried
            else None,
            permission=permission,
            **extra,
        )


_CARRIED_BY: dict[str, list[str]] = {}
"""The roles that carry a permission, as ``name_roles`` was told."""


def name_roles(roles: Mapping[Any, Collection[str]]) -> None:
    """Say which permissions each role carries, for refusals to name the roles."""
    _CARRIED_BY.clear()
    for role in sorted(roles):
        for permission in roles[role]:
            _CARRIED_BY.setdefault(permission, []).append(str(role))


Peer = tuple[str, int] | None
"""Where a request comes from: the socket's other end, or who it is for a trusted proxy."""


class Authenticator(Protocol):
    """Turns the Authorization header into an actor, or refuses.

    Calls are ``paced`` where a key makes only so many a second.
    """

    async def __call__(self, authorization: str | None, peer: Peer, *, paced: bool) -> Actor:
        """Return who calls; raise ``Unauthenticated`` or ``RateLimited``."""
        ...

    def known(self, authorization: str | None) -> Actor | None:
        """Return who makes an unpaced call, if that is known; else nothing: nobody is refused."""
        ...


async def identify(request: Request) -> Actor:
    """Return the caller, once a request."""
    state: dict[str, Any] = request.scope.setdefault("state", {})
    known: Actor | None = state.get("actor")
    if known is None:
        authenticate: Authenticator = request.app.state.authenticator
        known = state["actor"] = await authenticate(
            request.headers.get("authorization"), request.scope.get("client"), paced=True
        )
    return known


def require(actor: Actor, permission: str) -> None:
    """Refuse an actor without ``permission``."""
    if permission not in actor.permissions:
        raise PermissionDenied(
            f"{actor.name} may not {permission}.",
            permission=permission,
            roles=sorted(actor.roles),
        )


class Guard(HTTPBearer):
    """A dependency that is the caller, who holds ``permission``.

    It is the security scheme itself, not a function that depends on one: each dependency of a route
    costs the framework some ten microseconds a request.
    """

    def __init__(self, permission: str) -> None:
        super().__init__(
            scheme_name="HTTPBearer",
            description="An API key, as `Authorization: Bearer …`.",
            auto_error=False,
        )
        self.permission = permission

    async def __call__(self, request: Request) -> Actor:  # type: ignore[override]
        """Return the caller, or refuse him."""
        actor = await identify(request)
        require(actor, self.permission)
        return actor


def allow(permission: str) -> Any:
    """Depend on a caller who holds ``permission``; the annotation receives the actor."""
    return Depends(Guard(permission))


def permission_of(call: Callable[..., Any]) -> str | None:
    """Return the permission a dependency asks for, if it is a guard."""
    return call.permission if isinstance(call, Guard) else None
