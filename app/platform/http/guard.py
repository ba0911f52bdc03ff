"""Deny by default: a route says which permission it asks for, or it does not exist."""

from collections.abc import Callable
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.kit.actor import Actor
from app.kit.refusal import Kind, Refusal

_bearer = HTTPBearer(auto_error=False, description="An API key, as `Authorization: Bearer …`.")


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


class Authenticator(Protocol):
    """Turns the Authorization header into an actor, or refuses."""

    async def __call__(self, authorization: str | None) -> Actor:
        """Return who calls; raise ``Unauthenticated``."""
        ...


async def identify(request: Request) -> Actor:
    """Return the caller, once a request."""
    known: Actor | None = getattr(request.state, "actor", None)
    if known is None:
        authenticate: Authenticator = request.app.state.authenticator
        known = await authenticate(request.headers.get("authorization"))
        request.state.actor = known
    return known


def require(actor: Actor, permission: str) -> None:
    """Refuse an actor without ``permission``."""
    if permission not in actor.permissions:
        raise PermissionDenied(
            f"{actor.name} may not {permission}.",
            permission=permission,
            roles=sorted(actor.roles),
        )


def allow(permission: str) -> Any:
    """Depend on a caller who holds ``permission``; the annotation receives the actor."""

    async def guard(
        request: Request,
        _: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)] = None,
    ) -> Actor:
        actor = await identify(request)
        require(actor, permission)
        return actor

    guard.permission = permission  # type: ignore[attr-defined]
    return Depends(guard)


def permission_of(call: Callable[..., Any]) -> str | None:
    """Return the permission a dependency asks for, if it is a guard."""
    return getattr(call, "permission", None)
