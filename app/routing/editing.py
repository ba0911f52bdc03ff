"""Editing plans: who may, what stands in the way, and what needs agreement first."""

from typing import Any
from uuid import UUID

from sqlalchemy import cast, func, literal, select
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, gates, identity
from app.kit.actor import Actor
from app.kit.canonical import plain
from app.kit.revision import Stale, require_current
from app.routing import pins
from app.routing.rules import HoldoutUnanswered, LayerTaken, NotSeated
from app.routing.seats import champion_of
from app.routing.service import current_plan, newest_specs
from app.routing.spec import Layer, Plan
from app.routing.standing_in import stand_in
from app.routing.tables import Generation, PlanRevision, Seat
from app.routing.writing import write_plan

_LAYERED = "$.segments[*].layer.name"


async def edit_plan(
    session: AsyncSession, key: str, plan: Plan, *, expected: int, reason: str, by: Actor
) -> PlanRevision | gates.Change:
    """Replace a point's plan, or ask for it where plans are under change control."""
    point = await catalog.point_by_key(session, key, by=by, lock=True)
    developers = await _developers(session, point, plan, by=by)
    roles = await gates.roles_at(session, point.id, by=by, beside=developers)
    await identity.require_right(session, by, identity.Action.EDIT_PLAN, point=key, roles=roles)
    before = await _editable(session, point, plan, expected=expected, by=by)
    held_out = await _held_out(session, point, plan)
    grave = plan.altering or await _outweighed(session, point, plan)
    change = await gates.propose(
        session, identity.Governed.PLAN, f"plan of {key}",
        expected=expected, before=before.spec if before else None,
        after={
            "point": key, "spec": plan.model_dump(mode="json"),
            "barred": sorted(developers),
            "part": "developed a version that it sends traffic to",
            # As what the pins let versions answer is what is agreed to.
            **({"instances": await pins.shown(session, point, plan)} if plan.pinned else {}),
            **held_out,
        },
        scope={"point": key}, reason=reason, grave=grave, by=by,
    )  # fmt: skip
    return change or await write_plan(session, point, plan, cause="edited", by=by)


async def apply_plan(session: AsyncSession, event: gates.ChangeApproved) -> None:
    """Carry out an approved change of a plan."""
    if event.kind != identity.Governed.PLAN or "spec" not in event.after:
        return
    author = await identity.acting(session, event.tenant_id, event.requester_id)
    plan = Plan.model_validate(event.after["spec"])
    point = await catalog.point_by_key(session, event.after["point"], by=author, lock=True)
    await _editable(session, point, plan, expected=event.expected or 0, by=author)
    if "instances" in event.after:
        now = plain(await pins.shown(session, point, plan))
        pins.require_unchanged(event.after["instances"], now)
    held_out = await _held_out(session, point, plan)
    # What the release before has asked for does not say whom it would have been.
    if "held_out" in event.after and event.after["held_out"] != held_out.get("held_out"):
        raise Stale("Another version, or another endpoint, would answer who is held out.")
    await write_plan(session, point, plan, cause="edited", by=author)


async def _held_out(
    session: AsyncSession, point: catalog.DecisionPoint, plan: Plan
) -> dict[str, Any]:
    """Return who would answer a plan's holdout, and as what: whoever agrees, agrees to him."""
    standing = None
    if plan.holdout is not None:
        standing = await stand_in(session, point, whole=False)
    if standing is None or standing.version_id is None:
        return {}
    found = await catalog.versions_by_id(session, point.tenant_id, {standing.version_id})
    model, version = found[standing.version_id]
    return {
        "held_out": {
            "model": model.name,
            "version": version.number,
            "endpoint": standing.endpoint,
            "parameters": standing.parameters,
        }
    }


async def _outweighed(session: AsyncSession, point: catalog.DecisionPoint, plan: Plan) -> bool:
    """Say whether under a plan others decide more than the champion, who was approved for it."""
    seat = await champion_of(session, point.tenant_id, point.id)
    if seat is None:
        return False
    found = await catalog.versions_by_id(session, point.tenant_id, {seat.version_id})
    model, version = found[seat.version_id]
    return plan.outweighs(model.name, version.number)


async def _developers(
    session: AsyncSession, point: catalog.DecisionPoint, plan: Plan, *, by: Actor
) -> set[UUID]:
    """Return who developed what a plan sends traffic to, or its origin, beside the champion.

    Who developed the champion counts where it is to answer under other parameters, and who
    developed the fallback where it answers a holdout.
    """
    named = {(arm.model, arm.version) for arm in (*plan.named, *plan.shadows)}
    found = {
        (await catalog.find_version(session, model, number, by=by)).id for model, number in named
    }
    if plan.parameterised:
        champion = await champion_of(session, by.tenant_id, point.id)
        found |= {champion.version_id} if champion is not None else set()
    if plan.holdout is not None:
        standing = await stand_in(session, point, whole=False)
        if standing is not None and standing.version_id is not None:
            found.add(standing.version_id)
    origins = await catalog.origin_developers(session, by.tenant_id, found)
    versions = await catalog.versions_by_id(session, by.tenant_id, found)
    return {version.developer_id for _, version in versions.values()} | origins


async def _editable(
    session: AsyncSession, point: catalog.DecisionPoint, plan: Plan, *, expected: int, by: Actor
) -> PlanRevision | None:
    """Return a locked point's plan, if that is at ``expected`` and every arm is seated."""
    newest = await current_plan(session, by.tenant_id, point.id)
    require_current(expected, newest.revision if newest else 0)
    await _require_seats(session, point, plan, by)
    await pins.require_instances(session, point, plan, by=by)
    await _require_holdout(session, point, plan)
    await _require_layers(session, point, plan)
    return newest


async def _require_seats(
    session: AsyncSession, point: catalog.DecisionPoint, plan: Plan, by: Actor
) -> None:
    seated = set(
        await session.scalars(
            select(Seat.version_id).filter_by(
                tenant_id=point.tenant_id, point_id=point.id, until=None
            )
        )
    )
    for arm in plan.named:
        version = await catalog.find_version(session, arm.model, arm.version, by=by)
        if version.id not in seated:
            raise NotSeated(f"{arm.model}@{arm.version} has no seat at {point.key}.", arm=arm.name)
    for shadow in plan.shadows:
        # Held: who retires it meanwhile finds it in the plan, or is found to have retired it.
        version = await catalog.find_version(
            session, shadow.model, shadow.version, by=by, lock=True
        )
        if version.stage is catalog.Stage.RETIRED:
            raise NotSeated(f"{shadow.model}@{shadow.version} is retired.", arm=shadow.name)


async def _require_holdout(session: AsyncSession, point: catalog.DecisionPoint, plan: Plan) -> None:
    """Refuse a holdout that no version would answer: its outcomes would be nobody's."""
    if plan.holdout is None:
        return
    standing = await stand_in(session, point, whole=False)
    if standing is None or standing.version_id is None:
        what = "Nothing" if standing is None else "A constant"
        raise HoldoutUnanswered(f"{what} would answer who is held out at {point.key}.")


async def _require_layers(session: AsyncSession, point: catalog.DecisionPoint, plan: Plan) -> None:
    """Refuse shares of layers that plans of other decision points have units of.

    Within one plan the first segment that takes a unit answers, so that nothing overlaps.
    """
    asked = [one.layer for one in plan.segments if one.layer is not None]
    if not asked:
        return
    # Changes of a tenant's routing wait here for each other: two shares are not taken at once.
    await session.execute(
        select(Generation.generation).filter_by(tenant_id=point.tenant_id).with_for_update()
    )
    newest = newest_specs(point.tenant_id)
    others = await session.execute(
        select(catalog.DecisionPoint.key, newest.c.spec)
        .join(newest, newest.c.point_id == catalog.DecisionPoint.id)
        .where(
            catalog.DecisionPoint.tenant_id == point.tenant_id,
            catalog.DecisionPoint.id != point.id,
            func.jsonb_path_exists(newest.c.spec, cast(literal(_LAYERED), JSONPATH)),
        )
    )
    taken = [
        {"decision_point": key, "segment": segment.name, **layer.model_dump()}
        for key, spec in others
        for segment in Plan.model_validate(spec).segments
        if (layer := segment.layer) is not None and any(_overlap(layer, one) for one in asked)
    ]
    if taken:
        names = ", ".join(sorted({one["decision_point"] for one in taken}))
        raise LayerTaken(f"The plans of {names} have units of that share.", taken=taken)


def _overlap(one: Layer, other: Layer) -> bool:
    return one.name == other.name and one.begin < other.end and other.begin < one.end
