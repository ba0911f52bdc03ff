"""Bounds: which decisions' events are not taken any more, as ingest has them in memory."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.telemetry.events import EVERYTHING, Bounds
from app.telemetry.retention import oldest_remembered
from app.telemetry.tables import Erasure

ERASED_FOR = timedelta(days=90)
"""So long the events of an erased subject are told from others."""


async def bounds_of(session: AsyncSession, tenant_id: UUID) -> Bounds:
    """Return a tenant's bounds as they are now."""
    oldest = await oldest_remembered(session, tenant_id)
    rows = await session.execute(
        select(Erasure.pseudonym, Erasure.at).where(
            Erasure.tenant_id == tenant_id, Erasure.at > func.now() - ERASED_FOR
        )
    )
    erased = {pseudonym: int(at.timestamp() * 1000) for pseudonym, at in rows}
    return Bounds(EVERYTHING.oldest if oldest is None else oldest.bytes, erased)
