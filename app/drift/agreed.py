"""Agreed: what was agreed in business understanding, asked of whoever measures it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.drift import business, seasons
from app.drift.business import KpiSeen
from app.drift.rules import Thresholds
from app.drift.seasons import Past
from app.drift.tables import Window
from app.kit.canonical import digest
from app.platform.events import Question, ask


@dataclass(frozen=True, slots=True)
class KpisOver(Question[Sequence[KpiSeen]]):
    """What the KPIs of a point came to by a version's decisions in ``[since, until)``.

    Nothing is answered of a version that has no seat there, and had none then: nobody agreed on
    anything about it.
    """

    tenant_id: UUID
    point_id: UUID
    version_id: UUID
    since: datetime
    until: datetime


async def judge(session: AsyncSession, window: Window, limits: Thresholds) -> None:
    """Write into a window what its KPIs came to; of when it had no seat, what it said stays."""
    found = await ask(
        session,
        KpisOver(window.tenant_id, window.point_id, window.version_id, window.since, window.until),
    )
    if found is None:
        return
    young = window.matures_at is not None
    rows = business.judged(found, limits.min_rows, young=young)
    width = window.until - window.since
    past = await _past(session, window, width) if any(row["enough"] for row in rows) else {}
    window.basis = {**window.basis, "kpis": digest(_plain(past))}
    window.kpis = []
    for one, row in zip(found, rows, strict=True):
        if not one.rhythmic:
            window.kpis.append({**row, "seasonal": None})
            continue
        known = past.get((one.key, one.digest), []) if row["enough"] else []
        seasonal = seasons.beside(row, known, window.until, width)
        window.kpis.append(seasons.decided(row, seasonal, limits.business_against))


def _plain(past: Mapping[tuple[str, str], Sequence[Past]]) -> list[Any]:
    return [
        [*key, [[one.until.isoformat(), one.value, one.error] for one in some]]
        for key, some in sorted(past.items())
    ]


async def _past(
    session: AsyncSession, window: Window, width: timedelta
) -> dict[tuple[str, str], list[Past]]:
    """Return what windows of the weeks before, at the same hour of a day, said of each KPI."""
    until, day = Window.until, timedelta(days=1).total_seconds()
    rows = await session.execute(
        select(until, Window.kpis)
        .filter_by(
            tenant_id=window.tenant_id, point_id=window.point_id, version_id=window.version_id
        )
        .where(
            until < window.until,
            until >= window.until - seasons.REACH * seasons.apart(width),
            until - Window.since == width,
            func.mod(cast(func.extract("epoch", until), BigInteger), int(day))
            == int(window.until.timestamp() % day),
        )
        .order_by(until)
    )
    found: dict[tuple[str, str], list[Past]] = defaultdict(list)
    for at, kpis in rows:
        for row in kpis:
            # Of the release before, what could be said is what was.
            if row.get("enough", row["missed"] is not None) and row["value"] is not None:
                said = Past(at, row["value"], seasons.error_of(row))
                found[row["key"], row["digest"]].append(said)
    return found
