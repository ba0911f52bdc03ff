"""Mentions: where routing still names a version, or did a moment ago."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, cast, func, literal, select, union_all
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH
from sqlalchemy.ext.asyncio import AsyncSession

from app.routing.service import newest_specs
from app.routing.spec import Plan
from app.routing.tables import Fallback, PlanRevision, Seat, Stop

_NAMED = "$.** ? (@.model == $model && @.version == $version)"


def _naming(spec: Any, model: str, number: int) -> ColumnElement[bool]:
    """Return the condition that a plan names a version, as an arm or as a shadow."""
    named: ColumnElement[bool] = func.jsonb_path_exists(
        spec, cast(literal(_NAMED), JSONPATH), cast({"model": model, "version": number}, JSONB)
    )
    return named


async def plans_naming(
    session: AsyncSession, tenant_id: UUID, model: str, number: int
) -> dict[UUID, list[tuple[str, str]]]:
    """Return where plans in force name a version: by point, each arm or shadow with its name."""
    newest = newest_specs(tenant_id)
    rows = await session.execute(
        select(newest.c.point_id, newest.c.spec).where(_naming(newest.c.spec, model, number))
    )
    return {point_id: arms_of(Plan.model_validate(spec), model, number) for point_id, spec in rows}


def arms_of(plan: Plan, model: str, number: int) -> list[tuple[str, str]]:
    """Return as what a plan names a version."""
    groups = (("arm", plan.named), ("shadow", plan.shadows))
    return [
        (kind, arm.name)
        for kind, arms in groups
        for arm in arms
        if (arm.model, arm.version) == (model, number)
    ]


async def last_answered(
    session: AsyncSession, tenant_id: UUID, version_id: UUID, model: str, number: int
) -> datetime | None:
    """Return until when some table may have been told to answer with a version, at the latest.

    That is the last change of seat, plan, fallback or stop at a point that ever knew it: a later
    change of something else there counts as well, which can only make the wait a little longer.
    """
    seated = select(Seat.point_id).filter_by(tenant_id=tenant_id, version_id=version_id)
    declared = select(Fallback.point_id).filter_by(tenant_id=tenant_id, version_id=version_id)
    planned = select(PlanRevision.point_id).where(
        PlanRevision.tenant_id == tenant_id, _naming(PlanRevision.spec, model, number)
    )
    points = union_all(seated, declared, planned).subquery()
    here = select(points.c.point_id)
    moments = union_all(
        select(func.max(Seat.until).label("at")).filter_by(
            tenant_id=tenant_id, version_id=version_id
        ),
        *(
            select(func.max(at).label("at")).where(
                table.tenant_id == tenant_id, table.point_id.in_(here)
            )
            for table, at in (
                (PlanRevision, PlanRevision.at), (Fallback, Fallback.at), (Stop, Stop.until),
            )
        ),
    ).subquery()  # fmt: skip
    found: datetime | None = await session.scalar(select(func.max(moments.c.at)))
    return found
