"""Crowning: who becomes champion or challenger, and what becomes of the plan by that."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog
from app.kit.actor import Actor
from app.kit.canonical import plain
from app.platform.db import clock
from app.platform.events import publish
from app.routing import pins, service
from app.routing.events import ChampionChanged
from app.routing.seats import champion_of
from app.routing.spec import Plan
from app.routing.standing_in import declared, stand_in
from app.routing.tables import Seat, SeatRole
from app.routing.writing import write_plan


async def crown(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    version_id: UUID,
    *,
    case_id: UUID,
    endpoint: str | None,
    parameters: dict[str, object],
    cause: str,
    by: Actor,
) -> Seat:
    """Make a version the point's champion; the plan turns to it in the same transaction.

    The point must be locked: that puts two swaps in a row. Shadows, the holdout, pinned instances
    and what holds of a stale table stay, all other arms go; a new experiment is a new plan.
    """
    before = await champion_of(session, point.tenant_id, point.id)
    now = await clock(session)
    vacated = {version_id} | ({before.version_id} if before else set())
    await _close(session, point, vacated, at=now)
    seat = await _sit(
        session, point, version_id, SeatRole.CHAMPION, case_id, endpoint, parameters, cause,
        since=now,
    )  # fmt: skip
    row = await service.current_plan(session, point.tenant_id, point.id)
    plan = Plan.model_validate(row.spec) if row else Plan()
    found = await catalog.versions_by_id(session, point.tenant_id, {version_id})
    model, version = found[version_id]
    crowned = (model.name, version.number)
    shadows = tuple(item for item in plan.shadows if (item.model, item.version) != crowned)
    standing = await stand_in(session, point, whole=False) if plan.holdout is not None else None
    answered = standing is not None and standing.version_id is not None
    plan = Plan(
        segments=pins.kept(plan),
        shadows=shadows,
        holdout=plan.holdout if answered else None,
        staleness=plan.staleness,
    )
    await write_plan(session, point, plan, cause=cause, by=by, at=now)
    await audit.record(
        session, by, "champion.changed", f"point:{point.id}",
        version_id=version_id, previous=before and before.version_id, cause=cause, case=case_id,
    )  # fmt: skip
    await publish(
        session,
        ChampionChanged(
            tenant_id=point.tenant_id,
            point=point.key,
            version_id=version_id,
            previous_id=before.version_id if before else None,
            cause=cause,
        ),
    )
    return seat


async def seat_challenger(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    version_id: UUID,
    *,
    case_id: UUID,
    endpoint: str | None,
    parameters: dict[str, object],
    by: Actor,
) -> Seat:
    """Give a version the right to be an arm of the point's plans."""
    seat = await _sit(
        session,
        point,
        version_id,
        SeatRole.CHALLENGER,
        case_id,
        endpoint,
        parameters,
        "activated",
        since=await clock(session),
    )
    named = await declared(session, point.tenant_id, point.id)
    if named is not None and named.version_id == version_id:
        # It stands in as its newest seat has it.
        await service.bump(session, point.tenant_id, point.id)
    await audit.record(
        session, by, "challenger.seated", f"point:{point.id}", version_id=version_id, case=case_id
    )
    return seat


async def _sit(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    version_id: UUID,
    role: SeatRole,
    case_id: UUID,
    endpoint: str | None,
    parameters: dict[str, object],
    cause: str,
    *,
    since: datetime,
) -> Seat:
    seat = Seat(
        tenant_id=point.tenant_id,
        point_id=point.id,
        version_id=version_id,
        role=role,
        endpoint=endpoint,
        parameters=plain(parameters),
        case_id=case_id,
        cause=cause,
        since=since,
    )
    session.add(seat)
    await session.flush()
    await session.refresh(seat)
    return seat


async def _close(
    session: AsyncSession, point: catalog.DecisionPoint, versions: set[UUID], *, at: datetime
) -> None:
    leaving = await session.scalars(
        select(Seat)
        .where(
            Seat.tenant_id == point.tenant_id,
            Seat.point_id == point.id,
            Seat.version_id.in_(versions),
            Seat.until.is_(None),
        )
        .with_for_update()
    )
    for seat in leaving:
        seat.until = at
    await session.flush()
