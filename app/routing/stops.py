"""Stops: a decision point, or one version at it, answered by the fallback from now on.

A stop is a change of routing like any other: it gets a generation, wakes the tables, and is seen by
all processes within seconds. Swaps, rollbacks and new plans go on underneath; the stop stays until
it is lifted. Each cause is lifted by itself, so that what mends itself ends no stop of a person's.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog
from app.kit.actor import SYSTEM_ID, Actor
from app.platform.db import clock
from app.platform.events import Question, publish
from app.routing import diversion, service
from app.routing.events import PointResumed, PointStopped
from app.routing.tables import PlanRevision, Seat, Stop

OPERATOR = "operator"
"""The cause of what people stop by hand."""


@dataclass(frozen=True, slots=True)
class CausesStanding(Question[frozenset[str]]):
    """Which of the causes that the server stopped something for still hold there.

    Whoever stops for causes that end by themselves answers; unanswered, all of them hold.
    """

    tenant_id: UUID
    point_id: UUID
    causes: frozenset[str]


def by_itself(stop: Stop) -> bool:
    """Say whether the server stopped it, not a person."""
    return stop.stopped_by == SYSTEM_ID


async def stop(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    *,
    version_id: UUID | None = None,
    cause: str,
    reason: str,
    by: Actor,
) -> Stop:
    """Let the fallback answer for one version, or for everything; the point must be locked.

    What the same cause has stopped already stays as it is: that stop is returned.
    """
    standing = select(Stop).filter_by(
        tenant_id=point.tenant_id, point_id=point.id, version_id=version_id, cause=cause, until=None
    )
    found = await session.scalar(standing)
    if found is not None:
        return found
    generation = await service.bump(session, point.tenant_id, point.id)
    found = Stop(
        tenant_id=point.tenant_id,
        point_id=point.id,
        version_id=version_id,
        cause=cause,
        reason=reason,
        stopped_by=by.person_id,
        generation=generation,
        since=await clock(session),
    )
    session.add(found)
    await session.flush()
    await audit.record(
        session, by, "point.stopped", f"point:{point.id}",
        stop=found.id, version_id=version_id, cause=cause, generation=generation,
        personal={"reason": reason},
    )  # fmt: skip
    await publish(
        session,
        PointStopped(
            tenant_id=point.tenant_id,
            point=point.key,
            stop_id=found.id,
            version_id=version_id,
            cause=cause,
        ),
    )
    return found


async def resume(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    *,
    version_id: UUID | None = None,
    cause: str,
    reason: str,
    by: Actor,
) -> list[Stop]:
    """Lift what ``cause`` has stopped, if anything; the point must be locked.

    With a version only what was stopped of that version.
    """
    lifted = [
        found
        for found in await stopped(session, point.tenant_id, point.id)
        if found.cause == cause and version_id in {None, found.version_id}
    ]
    for found in lifted:
        await lift(session, point, found, reason=reason, accepted=False, by=by)
    return lifted


async def lift(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    found: Stop,
    *,
    reason: str,
    accepted: bool,
    by: Actor,
) -> None:
    """End one stop; ``accepted``: though its cause still holds. The point must be locked."""
    found.resumed_generation = await service.bump(session, point.tenant_id, point.id)
    found.until = await clock(session)
    found.resumed_by, found.resumed_reason = by.person_id, reason
    await session.flush()
    await audit.record(
        session, by, "point.resumed", f"point:{point.id}",
        stop=found.id, version_id=found.version_id, cause=found.cause, accepted=accepted,
        generation=found.resumed_generation, personal={"reason": reason},
    )  # fmt: skip
    await publish(
        session,
        PointResumed(
            tenant_id=point.tenant_id,
            point=point.key,
            stop_id=found.id,
            version_id=found.version_id,
            cause=found.cause,
        ),
    )


async def stopped(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> list[Stop]:
    """Return the stops that hold at a point now, oldest first."""
    rows = await session.scalars(
        select(Stop)
        .filter_by(tenant_id=tenant_id, point_id=point_id, until=None)
        .order_by(Stop.since, Stop.id)
    )
    return list(rows)


async def all_stopped(session: AsyncSession, tenant_id: UUID) -> list[Stop]:
    """Return every stop of a tenant that holds now, oldest first."""
    query = select(Stop).filter_by(tenant_id=tenant_id, until=None)
    return list(await session.scalars(query.order_by(Stop.since, Stop.id)))


async def lifted(
    session: AsyncSession, tenant_id: UUID, ids: Collection[UUID]
) -> dict[UUID, datetime]:
    """Return when stops were lifted, of those that were."""
    rows = await session.execute(
        select(Stop.id, Stop.until).where(
            Stop.tenant_id == tenant_id, Stop.id.in_(ids), Stop.until.is_not(None)
        )
    )
    return {row.id: row.until for row in rows}


async def held_at(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, at: datetime | None
) -> list[Stop]:
    """Return the stops that held at a moment, or hold now."""
    if at is None:
        return await stopped(session, tenant_id, point_id)
    rows = await session.scalars(
        select(Stop)
        .filter_by(tenant_id=tenant_id, point_id=point_id)
        .where(Stop.since <= at, or_(Stop.until.is_(None), Stop.until > at))
        .order_by(Stop.since, Stop.id)
    )
    return list(rows)


async def seats_held(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, seats: Collection[Seat]
) -> set[UUID]:
    """Return which of a point's seats a stop keeps from deciding now, by the seats' ids."""
    holding = await stopped(session, tenant_id, point_id)
    whole = diversion.of_everything(holding) is not None
    named = {found.version_id for found in holding}
    return {seat.id for seat in seats if seat.until is None and (whole or seat.version_id in named)}


async def stop_behind(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, generation: int
) -> Stop | None:
    """Return the stop for which the fallback answered at a generation of the point's routing.

    Of several the one that answers named: of everything before of a version, then the first.
    """
    rows = list(
        await session.scalars(
            select(Stop)
            .filter_by(tenant_id=tenant_id, point_id=point_id)
            .where(
                Stop.generation <= generation,
                or_(Stop.resumed_generation.is_(None), Stop.resumed_generation > generation),
            )
            .order_by(Stop.id)
        )
    )
    return diversion.of_everything(rows) or next(iter(rows), None)


async def plan_shown(
    session: AsyncSession, row: PlanRevision, *, at: datetime | None = None
) -> dict[str, object]:
    """Return a plan as the API tells of it: with whether a stop overrides it."""
    columns = ("point_id", "revision", "spec", "digest", "author_id", "cause", "at")
    holding = await held_at(session, row.tenant_id, row.point_id, at)
    return {**{name: getattr(row, name) for name in columns}, "stopped": bool(holding)}


async def seats_shown(session: AsyncSession, seats: Collection[Seat]) -> list[dict[str, object]]:
    """Return seats of one point as the API tells of them: with whether a stop holds them."""
    if not seats:
        return []
    first = next(iter(seats))
    held = await seats_held(session, first.tenant_id, first.point_id, seats)
    columns = (
        "id", "version_id", "role", "endpoint", "case_id", "cause", "since", "until",
    )  # fmt: skip
    return [
        {**{name: getattr(seat, name) for name in columns}, "stopped": seat.id in held}
        for seat in seats
    ]


async def seat_shown(session: AsyncSession, seat: Seat) -> dict[str, object]:
    """Return one seat as the API tells of it."""
    return (await seats_shown(session, [seat]))[0]
