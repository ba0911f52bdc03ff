"""How far the worker is behind what applications have sent."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.telemetry.tables import Delta, Outcome


@dataclass(frozen=True, slots=True)
class Unfolded:
    """By tenant, what waits to be folded into profiles; who has nothing waiting is not there."""

    deltas: Mapping[UUID, int]
    outcomes: Mapping[UUID, int]


async def unfolded(session: AsyncSession) -> Unfolded:
    """Return what of all tenants waits."""
    deltas = await session.execute(select(Delta.tenant_id, func.count()).group_by(Delta.tenant_id))
    outcomes = await session.execute(
        select(Outcome.tenant_id, func.count())
        .where(Outcome.due_at <= func.now())
        .group_by(Outcome.tenant_id)
    )
    return Unfolded(
        {row[0]: row[1] for row in deltas},
        {row[0]: row[1] for row in outcomes},
    )
