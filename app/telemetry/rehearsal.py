"""Rehearsals: traffic of the guarded perimeter, on which no decision hangs."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog
from app.kit.actor import Actor
from app.kit.names import MOST
from app.platform.http.guard import PermissionDenied
from app.telemetry.events import REHEARSED, BadEvent

PERMISSION = "telemetry:rehearse"


async def rehearsal_of(
    session: AsyncSession, actor: Actor, body: dict[str, Any], noun: str
) -> tuple[bytes, bytes] | None:
    """Return the decision point and version a batch rehearses, ``None`` for production.

    A rehearsal has no tokens: the batch names model, version and decision point instead, and only
    principals who may rehearse send it.
    """
    named = body.keys() - {noun}
    if not named:
        return None
    if named != REHEARSED:
        raise BadEvent(f"A rehearsal names model, version and decision_point beside its {noun}.")
    if PERMISSION not in actor.permissions:
        raise PermissionDenied(f"{actor.name} may not rehearse.", permission=PERMISSION)
    model, number, key = body["model"], body["version"], body["decision_point"]
    if not (isinstance(model, str) and isinstance(key, str) and type(number) is int):
        raise BadEvent("model and decision_point are names, version is a number.")
    if not 0 < number < MOST:
        raise BadEvent("version is a number from 1 on.")
    point = await catalog.point_by_key(session, key, by=actor)
    version = await catalog.find_version(session, model, number, by=actor)
    return point.id.bytes, version.id.bytes
