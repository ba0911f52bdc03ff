"""Waivers that have ended, by date or by hand."""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.gates.tables import Waiver


async def lapsed(session: AsyncSession, tenant_id: UUID, ids: set[str]) -> set[str]:
    """Return which of these waivers are no longer in force."""
    if not ids:
        return set()
    rows = await session.scalars(
        select(Waiver.id).where(
            Waiver.tenant_id == tenant_id,
            Waiver.id.in_([UUID(item) for item in ids]),
            Waiver.ended_at.is_(None),
            Waiver.until > func.clock_timestamp(),
        )
    )
    return ids - {str(found) for found in rows}
