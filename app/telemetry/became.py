"""Became: what a decision came to, as it stands and as it was said before."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.telemetry.tables import Outcome, OutcomeHistory


async def became_of(
    session: AsyncSession, tenant_id: UUID, decision_id: UUID
) -> tuple[Outcome | None, list[OutcomeHistory]]:
    """Return a decision's outcome, and what it said under lower revisions, the lowest first."""
    stands = await session.get(Outcome, (tenant_id, decision_id))
    before = await session.scalars(
        select(OutcomeHistory)
        .filter_by(tenant_id=tenant_id, decision_id=decision_id)
        .order_by(OutcomeHistory.revision)
    )
    return stands, list(before)
