"""Agreed: what was agreed in business understanding, asked of whoever measures it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.drift import business
from app.drift.business import KpiSeen
from app.drift.rules import Thresholds
from app.drift.tables import Window
from app.platform.events import Question, ask


@dataclass(frozen=True, slots=True)
class KpisOver(Question[Sequence[KpiSeen]]):
    """What the KPIs of a point came to by a version's decisions in ``[since, until)``.

    Nothing is answered of a version that has no seat there: nobody agreed on anything about it.
    """

    tenant_id: UUID
    point_id: UUID
    version_id: UUID
    since: datetime
    until: datetime


async def judge(session: AsyncSession, window: Window, limits: Thresholds) -> None:
    """Write into a window what its KPIs came to; of who has left, what it said stays."""
    found = await ask(
        session,
        KpisOver(window.tenant_id, window.point_id, window.version_id, window.since, window.until),
    )
    if found is not None:
        young = window.matures_at is not None
        window.kpis = business.judged(found, limits.min_rows, young=young)
