"""Evidence as those who measure it again look it up."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.gates.tables import Case, Evidence


async def newest_measured(
    session: AsyncSession, case: Case, step: str, kind: str, *, sources: Collection[str] = ()
) -> dict[str, Any] | None:
    """Return what the server last measured of a kind for a step, from one of ``sources`` if any."""
    query = select(Evidence.payload).filter_by(
        tenant_id=case.tenant_id, case_id=case.id, step=step, kind=kind, measured=True
    )
    if sources:
        query = query.where(Evidence.payload["source"].astext.in_(sources))
    return await session.scalar(query.order_by(Evidence.at.desc(), Evidence.id.desc()).limit(1))
