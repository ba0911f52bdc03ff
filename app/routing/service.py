"""Plans: written as revisions, each change numbered by the tenant's generation."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import Subquery, select, text
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, gates
from app.kit.actor import Actor
from app.kit.moment import require_past
from app.kit.refusal import NotFound
from app.platform.db import clock
from app.routing import asof
from app.routing.spec import Plan
from app.routing.tables import Generation, PlanRevision, PointState
from app.telemetry import HOLDOUT

CHANNEL = "modelward_routing"
ROUTED = "routed"
"""Where a session says which tenant's routing it has changed, and to which generation."""


async def bump(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> int:
    """Give a change of a point's routing its generation, and wake the tables."""
    first = insert(Generation).values(tenant_id=tenant_id, generation=1)
    generation = await session.scalar(
        first.on_conflict_do_update(
            index_elements=["tenant_id"], set_={"generation": Generation.generation + 1}
        ).returning(Generation.generation)
    )
    assert generation is not None  # noqa: S101 - inserted or updated
    state = insert(PointState).values(tenant_id=tenant_id, point_id=point_id, generation=generation)
    await session.execute(
        state.on_conflict_do_update(
            index_elements=["tenant_id", "point_id"], set_={"generation": generation}
        )
    )
    # A hint only: the tables poll as well.
    await session.execute(text(f"NOTIFY {CHANNEL}"))
    session.info[ROUTED] = (tenant_id, int(generation))
    return int(generation)


async def current_plan(
    session: AsyncSession, tenant_id: UUID, point_id: UUID
) -> PlanRevision | None:
    """Return a point's newest plan, if it has one."""
    return await session.scalar(
        select(PlanRevision)
        .filter_by(tenant_id=tenant_id, point_id=point_id)
        .order_by(PlanRevision.revision.desc())
        .limit(1)
    )


async def plan_at(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, revision: int
) -> PlanRevision:
    """Return a point's plan as it stood at a revision."""
    found = await session.get(PlanRevision, (tenant_id, point_id, revision))
    if found is None:
        raise NotFound("plan revision", revision)
    return found


def strategy_behind(plan: PlanRevision, arm: str) -> str:
    """Return the kind of strategy by which a plan gave a unit its arm."""
    return HOLDOUT if arm == HOLDOUT else Plan.model_validate(plan.spec).strategy_of(arm)


async def plan_of(
    session: AsyncSession, key: str, *, at: datetime | None = None, by: Actor
) -> PlanRevision:
    """Return a decision point's plan, or the one that was in force at a moment."""
    point = await catalog.point_by_key(session, key, by=by)
    if at is not None:
        return await _plan_then(session, point, at)
    found = await current_plan(session, by.tenant_id, point.id)
    if found is None:
        raise NotFound("routing plan of", key)
    return found


async def _plan_then(
    session: AsyncSession, point: catalog.DecisionPoint, at: datetime
) -> PlanRevision:
    now = await clock(session)
    require_past(at, now)
    plans = select(PlanRevision).filter_by(tenant_id=point.tenant_id, point_id=point.id)
    newest = plans.where(PlanRevision.at <= at).order_by(PlanRevision.revision.desc())
    found = await session.scalar(newest.limit(1))
    if found is None:
        first = await session.scalar(plans.order_by(PlanRevision.revision).limit(1))
        raise asof.nothing_then(f"A routing plan of {point.key}", at, first.at if first else None)
    return found


async def plan_in_force(session: AsyncSession, asked: gates.PlanInForce) -> dict[UUID, str]:
    """Return the digests of points' newest plans, for what approvals cover."""
    rows = await _newest_plans(session, asked.tenant_id, asked.ids)
    return {row.point_id: row.digest for row in rows}


async def plans_of(
    session: AsyncSession, tenant_id: UUID, point_ids: Collection[UUID]
) -> dict[UUID, Plan]:
    """Return points' newest plans, by point."""
    rows = await _newest_plans(session, tenant_id, point_ids)
    return {row.point_id: Plan.model_validate(row.spec) for row in rows}


def newest_specs(tenant_id: UUID | None) -> Subquery:
    """Return the query of points' newest plans, of all tenants where none is named.

    Of each its ``tenant_id``, its ``point_id`` and its ``spec``.
    """
    place = (PlanRevision.tenant_id, PlanRevision.point_id)
    newest = (
        select(*place, PlanRevision.spec)
        .ext(distinct_on(*place))
        .order_by(*place, PlanRevision.revision.desc())
    )
    return (newest if tenant_id is None else newest.filter_by(tenant_id=tenant_id)).subquery()


async def _newest_plans(
    session: AsyncSession, tenant_id: UUID, point_ids: Collection[UUID]
) -> list[PlanRevision]:
    query = (
        select(PlanRevision)
        .where(PlanRevision.tenant_id == tenant_id, PlanRevision.point_id.in_(point_ids))
        .ext(distinct_on(PlanRevision.point_id))
        .order_by(PlanRevision.point_id, PlanRevision.revision.desc())
    )
    return list(await session.scalars(query))
