"""Pins: segments whose units are answered by the versions' instances, set up for a region."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog
from app.kit.actor import Actor
from app.routing import service
from app.routing.rules import NoInstance
from app.routing.seats import champion_of, open_seats_of
from app.routing.spec import Plan, Segment

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


async def hold(session: AsyncSession, event: catalog.InstanceEnded) -> None:
    """Refuse to end an instance by which a plan in force lets its version answer."""
    points = await _pinning(session, event)
    if points:
        names = ", ".join(sorted(row.key for row in points))
        raise catalog.InstancePinned(
            f"The plans of {names} pin {event.key}.",
            decision_points=[row.key for row in points],
            filled={"key": min(row.key for row in points)},
        )


async def take_up(session: AsyncSession, event: catalog.InstanceMade) -> None:
    """Let a version that answers already do so as its new instance, where plans pin it."""
    for point in await _pinning(session, event):
        await service.bump(session, event.tenant_id, point.id)


async def _pinning(
    session: AsyncSession, event: catalog.InstanceMade | catalog.InstanceEnded
) -> list[catalog.DecisionPoint]:
    """Return the points where a version may answer, whose plans pin an instance of that key."""
    seats = await open_seats_of(session, event.tenant_id, event.version_id)
    points = await catalog.points_by_id(session, event.tenant_id, {one.point_id for one in seats})
    plans = await service.plans_of(session, event.tenant_id, list(points))
    return [points[id_] for id_, plan in plans.items() if event.key in plan.pinned]


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
