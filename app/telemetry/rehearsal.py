"""Rehearsals: traffic of the guarded perimeter, on which no decision hangs."""

from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, identity
from app.kit.actor import Actor
from app.kit.names import MOST
from app.kit.refusal import Kind, Refusal
from app.platform.http.guard import PermissionDenied
from app.telemetry.arms import rehearsal_arm
from app.telemetry.events import REHEARSED, BadEvent
from app.telemetry.tables import Rehearser

PERMISSION = "telemetry:rehearse"
_OF_PRODUCTION = frozenset({identity.Role.OPERATOR.value})


class NotYoursToRehearse(Refusal):
    """A developer of something else would say how a version does."""

    kind = Kind.FORBIDDEN
    code = "not_yours_to_rehearse"
    title = "Somebody else's version"
    mend = "Have it sent by who developed a version of the model or owns it, or by an operator."


class Rehearsed(NamedTuple):
    """What a batch rehearses, and under which arm it stands."""

    point_id: bytes
    version_id: bytes
    arm: str


async def rehearsal_of(
    session: AsyncSession, actor: Actor, body: dict[str, Any], noun: str
) -> Rehearsed | None:
    """Return what a batch rehearses, ``None`` for production; remember who sent it.

    A rehearsal has no tokens: the batch names model, version and decision point instead, and only
    principals who may rehearse send it: production's for any version, developers for theirs.
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
    tier = (await catalog.model_of(session, model, by=actor)).risk_tier
    await identity.require_right(
        session, actor, identity.Action.SUBMIT_EVIDENCE, tier=tier, model=model, point=key
    )
    if not actor.roles & _OF_PRODUCTION and not await catalog.has_part_in(
        session, model, actor.person_id, by=actor
    ):
        raise NotYoursToRehearse(f"{actor.name} neither owns {model} nor developed any of it.")
    place = (actor.tenant_id, point.id, version.id)
    arm = await rehearsal_arm(session, *place)
    begun = await session.execute(
        insert(Rehearser)
        .values(
            tenant_id=actor.tenant_id, point_id=point.id, version_id=version.id,
            arm=arm, person_id=actor.person_id,
        )
        .on_conflict_do_nothing()
        .returning(Rehearser.at)
    )  # fmt: skip
    if begun.first() is not None:
        await audit.record(
            session, actor, "rehearsal.begun", f"version:{version.id}",
            decision_point=key, arm=arm, person=actor.person_id,
        )  # fmt: skip
    return Rehearsed(point.id.bytes, version.id.bytes, arm)


async def rehearsed_by(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, version_id: UUID
) -> list[UUID]:
    """Return who has rehearsed for the release that is open, or that comes next."""
    arm = await rehearsal_arm(session, tenant_id, point_id, version_id)
    people = await session.scalars(
        select(Rehearser.person_id)
        .filter_by(tenant_id=tenant_id, point_id=point_id, version_id=version_id, arm=arm)
        .order_by(Rehearser.at, Rehearser.person_id)
    )
    return list(people)
