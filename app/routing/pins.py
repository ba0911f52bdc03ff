"""Pins: segments whose units are answered by the versions' instances, set up for a region."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog
from app.kit.actor import Actor
from app.kit.revision import Stale
from app.routing import service
from app.routing.rules import NoInstance
from app.routing.seats import champion_of
from app.routing.spec import Plan, Segment
from app.routing.tables import Fallback, PlanRevision, Seat, SeatRole

Instances = dict[tuple[UUID, str], catalog.Instance]


async def instances_of(
    session: AsyncSession, tenant_id: UUID, plan: Plan, version_ids: Collection[UUID]
) -> Instances:
    """Return the standing instances that a plan's segments pin, by version and key."""
    if not plan.pinned:
        return {}
    return await catalog.instances_by_key(session, tenant_id, version_ids, plan.pinned)


async def require_instances(
    session: AsyncSession, point: catalog.DecisionPoint, plan: Plan, *, by: Actor
) -> None:
    """Refuse a plan by which a version would answer as an instance that it has not."""
    pinning = [one for one in plan.segments if one.instance is not None]
    champion = await champion_of(session, point.tenant_id, point.id) if pinning else None
    for segment in pinning:
        named = {
            (await catalog.find_version(session, arm.model, arm.version, by=by)).id
            for arm in segment.strategy.named
        }
        if champion is not None and any(arm.model is None for arm in segment.strategy.written()):
            named.add(champion.version_id)
        await _require(session, point, segment, named)


async def require_taken_over(
    session: AsyncSession, point: catalog.DecisionPoint, version_id: UUID
) -> None:
    """Refuse a champion who has not the instances that the plan's segments will ask of him."""
    row = await service.current_plan(session, point.tenant_id, point.id)
    for segment in kept(Plan.model_validate(row.spec)) if row is not None else ():
        await _require(session, point, segment, {version_id})


def kept(plan: Plan) -> tuple[Segment, ...]:
    """Return the segments that outlive a swap: whose regions have an instance each. Pure.

    Their experiments end with it, as those of the others do.
    """
    *others, last = plan.segments
    lasting = [one for one in others if one.instance is not None and one.layer is None]
    return tuple(
        Segment(name=one.name, when=one.when, instance=one.instance) for one in (*lasting, last)
    )


async def hold(session: AsyncSession, event: catalog.InstanceMade | catalog.InstanceEnded) -> None:
    """Refuse what would change as what a version answers, under a plan that was agreed to.

    That is an instance which a plan in force pins, of who sits there, or was champion, or was
    declared to stand in: he comes back, or stands in, as it. Nor is one made where it would be
    taken up at once. A challenger may get his: he answers as it by a plan, or a swap, that is
    approved with it.
    """
    points = await _pinning(session, event)
    if points:
        names = ", ".join(sorted(row.key for row in points))
        raise catalog.InstancePinned(
            f"The plans of {names} pin {event.key}.",
            decision_points=[row.key for row in points],
            filled={"key": min(row.key for row in points)},
        )


async def _pinning(
    session: AsyncSession, event: catalog.InstanceMade | catalog.InstanceEnded
) -> list[catalog.DecisionPoint]:
    """Return the points where a version answers or may, whose plans pin an instance of that key."""
    mine = {"tenant_id": event.tenant_id, "version_id": event.version_id}
    crowned = Seat.role == SeatRole.CHAMPION
    ended = isinstance(event, catalog.InstanceEnded)
    seats = select(Seat.point_id).filter_by(**mine)
    seats = seats.where(or_(crowned, Seat.until.is_(None)) if ended else crowned)
    ids = {
        *await session.scalars(seats),
        *await session.scalars(select(Fallback.point_id).filter_by(**mine)),
    }
    points = await catalog.points_by_id(session, event.tenant_id, ids)
    plans = await service.plans_of(session, event.tenant_id, list(points))
    return [points[id_] for id_, plan in plans.items() if event.key in plan.pinned]


async def shown(
    session: AsyncSession, point: catalog.DecisionPoint, plan: Plan
) -> list[dict[str, Any]]:
    """Return as what versions will answer by a plan's pins, for who is asked to agree to it.

    Of who is champion and of who is an arm, in whichever segments.
    """
    if not plan.pinned:
        return []
    champion = await champion_of(session, point.tenant_id, point.id)
    arms = {(arm.model, arm.version) for arm in plan.named}
    ids = await catalog.version_ids(session, point.tenant_id, arms)
    wanted = {*ids.values(), *({champion.version_id} if champion is not None else ())}
    found = await instances_of(session, point.tenant_id, plan, wanted)
    versions = await catalog.versions_by_id(session, point.tenant_id, wanted)
    told = [
        {
            "model": versions[version_id][0].name,
            "version": versions[version_id][1].number,
            **catalog.set_up(instance),
        }
        for (version_id, _), instance in found.items()
    ]
    return sorted(told, key=lambda one: (one["model"], one["version"], one["key"]))


def require_unchanged(asked: list[dict[str, Any]], now: list[dict[str, Any]]) -> None:
    """Refuse a plan whose pins no longer mean what they meant when it was asked for. Pure."""
    moved = [one for one in (*asked, *now) if one not in asked or one not in now]
    if moved:
        names = sorted({f"{one['model']}@{one['version']} {one['key']}" for one in moved})
        raise Stale(f"Instances that it pins have changed: {', '.join(names)}.", instances=names)


async def unagreed(session: AsyncSession, point: catalog.DecisionPoint, seat: Seat) -> list[str]:
    """Return the instances as which a former champion would come back though nobody agreed to that.

    Agreed to is one that a plan pinned while he sat there: it was approved with him, or with the
    plan. What was made later, or was pinned only after him, is of nobody's word.
    """
    have = await pinned_of(session, point.tenant_id, point.id, seat.version_id)
    if not have:
        return []
    query = select(PlanRevision.at, PlanRevision.spec).where(
        PlanRevision.tenant_id == point.tenant_id,
        PlanRevision.point_id == point.id,
        PlanRevision.at >= seat.since,
    )
    if seat.until is not None:
        query = query.where(PlanRevision.at < seat.until)
    plans = await session.execute(query)
    during = [(at, Plan.model_validate(spec).pinned) for at, spec in plans]
    return [
        one.key for one in have if not any(at >= one.at and one.key in keys for at, keys in during)
    ]


async def pinned_of(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, version_id: UUID
) -> list[catalog.Instance]:
    """Return as which of its instances a version answers by the plan in force, by key."""
    row = await service.current_plan(session, tenant_id, point_id)
    if row is None:
        return []
    found = await instances_of(session, tenant_id, Plan.model_validate(row.spec), {version_id})
    return sorted(found.values(), key=lambda one: one.key)


async def _require(
    session: AsyncSession, point: catalog.DecisionPoint, segment: Segment, versions: set[UUID]
) -> None:
    if segment.instance is None:
        return
    have = await catalog.instances_by_key(
        session, point.tenant_id, versions, {segment.instance}, lock=True
    )
    without = sorted(versions - {version_id for version_id, _ in have}, key=str)
    if not without:
        return
    found = await catalog.versions_by_id(session, point.tenant_id, set(without))
    model, version = found[without[0]]
    raise NoInstance(
        f"{model.name}@{version.number} has no instance {segment.instance!r}, which segment"
        f" {segment.name!r} of {point.key} pins.",
        filled={"model": model.name, "version": version.number},
        segment=segment.name,
        instance=segment.instance,
    )
