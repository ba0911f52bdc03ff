"""Enrolling: an experiment has an id from the plan that begins it to the one that ends it."""

from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.routing.courses import Course
from app.routing.spec import Plan
from app.routing.tables import Experiment, PlanRevision


async def turn(
    session: AsyncSession,
    row: PlanRevision,
    plan: Plan,
    courses: Mapping[str, Course],
    going_on: Collection[str],
) -> None:
    """End the experiments of a point that a new plan does not go on with, and begin its own."""
    standing = await running(session, row.tenant_id, row.point_id)
    lasting = standing.keys() & set(going_on)
    for name, one in standing.items():
        if name not in lasting:
            one.until, one.last_revision = row.at, row.revision - 1
    await session.flush()
    for segment in plan.experiments:
        if segment.name not in lasting:
            session.add(
                Experiment(
                    tenant_id=row.tenant_id,
                    point_id=row.point_id,
                    segment=segment.name,
                    strategy=segment.strategy.kind,
                    since=courses[segment.name].since,
                    first_revision=row.revision,
                )
            )
    await session.flush()


async def is_running(session: AsyncSession, tenant_id: UUID, experiment_id: UUID) -> bool:
    """Say whether an experiment has not ended."""
    found = await session.get(Experiment, (tenant_id, experiment_id))
    return found is not None and found.until is None


async def running(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> dict[str, Experiment]:
    """Return the experiments of a point that have not ended, by segment."""
    query = select(Experiment).filter_by(tenant_id=tenant_id, point_id=point_id, until=None)
    return {row.segment: row for row in await session.scalars(query)}
