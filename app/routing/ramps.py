"""Ramps by hand: held, resumed and rolled back by people, or by what guards a champion."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, gates, identity
from app.kit.actor import Actor
from app.kit.refusal import NotFound
from app.platform.db import clock
from app.routing import climbing, ramping
from app.routing.ramping import Position, Status
from app.routing.rounds import Book
from app.routing.rules import OwnVersion, WrongRampStatus
from app.routing.runners import runners_of
from app.routing.spec import Ramp, Segment

_FROM = {
    Status.HELD: {Status.RUNNING, Status.HOLDING, Status.DONE},
    Status.ROLLED_BACK: set(Status) - {Status.ROLLED_BACK},
    Status.RUNNING: {Status.HELD, Status.ROLLED_BACK},
}
"""From where a person may bring a ramp to which status."""


async def ramp_of(session: AsyncSession, key: str, name: str, *, by: Actor) -> dict[str, Any]:
    """Return where a segment's ramp stands, and what it waits for."""
    point = await catalog.point_by_key(session, key, by=by)
    return await _shown(session, *await _found(session, point, name))


async def bring(
    session: AsyncSession, key: str, name: str, to: Status, *, reason: str, by: Actor
) -> dict[str, Any]:
    """Hold a ramp, roll it back, or let it run again: where it was held, or from its first step."""
    point = await catalog.point_by_key(session, key, by=by, lock=True)
    book, segment, ramp = await _found(session, point, name)
    await _require_right(session, point, ramp, to, by)
    here = book.courses[name].position
    if here.status not in _FROM[to]:
        raise WrongRampStatus(
            f"The ramp is {here.status.value.replace('_', ' ')}.", filled={"segment": name}
        )
    step = 0 if here.status is Status.ROLLED_BACK else here.step
    position = Position(step, to, () if to is Status.RUNNING else ("By hand.",))
    await climbing.move(session, book, segment, ramp, position, by=by, reason=reason)
    return await _shown(session, book, segment, ramp)


async def _require_right(
    session: AsyncSession, point: catalog.DecisionPoint, ramp: Ramp, to: Status, by: Actor
) -> None:
    """Refuse who may not: to give a version less may who may stop, to give it more others than he.

    That is who may edit the plan and took no part in developing it.
    """
    if to is not Status.RUNNING:
        await identity.require_right(session, by, identity.Action.STOP_POINT, point=point.key)
        return
    version = await catalog.find_version(session, ramp.arm.model, ramp.arm.version, by=by)
    makers = await gates.makers_of(session, point.tenant_id, {version.id})
    roles = await gates.roles_at(session, point.id, by=by, beside=makers)
    await identity.require_right(
        session, by, identity.Action.EDIT_PLAN, point=point.key, roles=roles
    )
    if by.person_id in makers:
        raise OwnVersion(f"{by.name} {makers[by.person_id]}.")


async def rising(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> dict[UUID, datetime]:
    """Return the versions that ramps of a point bring in, and since when at their present share.

    Those rolled back are not among them.
    """
    point = await catalog.point_by_id(session, tenant_id, point_id)
    return {
        version_id: book.courses[segment.name].since
        for book, segment, _, version_id in await _climbing(session, point)
    }


async def roll_back_version(
    session: AsyncSession, point: catalog.DecisionPoint, version_id: UUID, *, why: str, by: Actor
) -> list[str]:
    """Roll back every ramp that brings a version in, and say which; the point must be locked."""
    gone = []
    for book, segment, ramp, id_ in await _climbing(session, point):
        if id_ == version_id:
            here = book.courses[segment.name].position
            position = Position(here.step, Status.ROLLED_BACK, (why,))
            await climbing.move(session, book, segment, ramp, position, by=by)
            gone.append(segment.name)
    return gone


async def hold_version(
    session: AsyncSession, point: catalog.DecisionPoint, version_id: UUID, *, why: str, by: Actor
) -> list[str]:
    """Hold every ramp that brings a version in, and say which; the point must be locked."""
    held = []
    for book, segment, ramp, id_ in await _climbing(session, point):
        here = book.courses[segment.name].position
        if id_ == version_id and here.status in _FROM[Status.HELD]:
            position = Position(here.step, Status.HELD, (why,))
            await climbing.move(session, book, segment, ramp, position, by=by)
            held.append(segment.name)
    return held


async def _climbing(
    session: AsyncSession, point: catalog.DecisionPoint
) -> list[tuple[Book, Segment, Ramp, UUID]]:
    """Return the ramps of a point's plan that have units, each with the version it brings in."""
    book = await Book.newest(session, point)
    found = []
    for segment in book.plan.experiments if book is not None else ():
        ramp = segment.strategy
        if book is None or not isinstance(ramp, Ramp):
            continue
        named = (ramp.arm.model, ramp.arm.version)
        ids = await catalog.version_ids(session, point.tenant_id, {named})
        if book.courses[segment.name].position.status is not Status.ROLLED_BACK:
            found.append((book, segment, ramp, ids[named]))
    return found


async def _found(
    session: AsyncSession, point: catalog.DecisionPoint, name: str
) -> tuple[Book, Segment, Ramp]:
    book = await Book.newest(session, point)
    for segment in book.plan.experiments if book is not None else ():
        if book is not None and segment.name == name and isinstance(segment.strategy, Ramp):
            return book, segment, segment.strategy
    raise NotFound("ramp", name)


async def _shown(session: AsyncSession, book: Book, segment: Segment, ramp: Ramp) -> dict[str, Any]:
    course = book.courses[segment.name]
    here, arm, control = course.position, ramp.arm.name, ramp.control
    runners = await runners_of(session, book.point, segment, course.since)
    seen = await climbing.seen_of(session, book, ramp, runners, course, await clock(session))
    ahead = ramping.turn(ramp, here, seen)
    return {
        "decision_point": book.point.key,
        "segment": segment.name,
        "plan_revision": book.row.revision,
        "arm": arm,
        "model": ramp.arm.model,
        "version": ramp.arm.version,
        "control": control,
        "status": here.status,
        "step": here.step + 1,
        "steps": ramp.steps,
        "percent": ramping.weights(ramp, here)[arm] / 100,
        "since": course.since,
        "rewarded": {arm: seen.arm.n, control: seen.control.n},
        "means": {
            arm: seen.arm.mean if seen.arm.n else None,
            control: seen.control.mean if seen.control.n else None,
        },
        "why": list(here.why if ahead.moved(here) else ahead.why),
    }
