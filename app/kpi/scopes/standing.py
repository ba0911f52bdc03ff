"""Standing: how scopes' KPIs stand at the end of their last whole days, and who is told of it.

Outcomes come late: the same days are looked at every hour until the next one is over. The rows of
a KPI are held while its standing is noted, and not while it is measured.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.actor import Actor
from app.kit.page import Rows
from app.kit.refusal import NotFound
from app.kpi.scopes.events import ScopeMet, ScopeMissed, ScopeUnknown
from app.kpi.scopes.measuring import ScopeMeasured, measure
from app.kpi.scopes.members import members_of
from app.kpi.scopes.reading import TooMuchToMeasure
from app.kpi.scopes.records import on_record
from app.kpi.scopes.rules import Standing, announces, falls_silent, stands
from app.kpi.scopes.tables import Scope, ScopeKpi, ScopeLook, ScopeStanding
from app.kpi.tables import Ended
from app.platform.db import ALL_TENANTS, Database, clock, page
from app.platform.events import publish
from app.platform.rota import for_each

MOST_HOURS = 250_000
"""So many hours of series are read for one scope: a hundred points over ninety days."""


async def stand(database: Database) -> None:
    """Measure every scope's KPIs over their last whole days, and note how they stand."""
    async with database.session(ALL_TENANTS) as session:
        rows = await session.execute(select(ScopeKpi.tenant_id, ScopeKpi.scope_id).distinct())
        found = [(tenant_id, scope_id) for tenant_id, scope_id in rows]
    await for_each(database, found, _stand)


async def _stand(session: AsyncSession, tenant_id: UUID, scope_id: UUID) -> None:
    scope = await session.get(Scope, (tenant_id, scope_id))
    if scope is None:  # ended meanwhile
        return
    points = await _points(session, scope)
    lacking = None
    measured: dict[str, ScopeMeasured] = {}
    try:
        found = await measure(session, scope, since=None, until=None, most=MOST_HOURS)
        measured = {one.key: one for one in found}
    except TooMuchToMeasure as refusal:
        lacking = refusal.detail
    # What somebody edits at this moment is looked at again within the hour.
    rows = await session.scalars(
        select(ScopeKpi)
        .filter_by(tenant_id=tenant_id, scope_id=scope_id)
        .order_by(ScopeKpi.key)
        .with_for_update(skip_locked=True, key_share=True)
        .execution_options(populate_existing=True)
    )
    kpis = [
        one for one in rows
        if lacking or (one.key in measured and measured[one.key].revision == one.revision)
    ]  # fmt: skip
    before = await _newest(session, tenant_id, kpis)
    definite = await _newest(session, tenant_id, kpis, definite=True)
    looks = await _looks(session, tenant_id, kpis)
    if points != await _points(session, scope):
        return
    place = {"scope_revision": scope.revision, "points": points}
    for kpi in kpis:
        row = await _row(session, kpi, measured.get(kpi.key), lacking, place)
        last, known = before.get(kpi.id), definite.get(kpi.id)
        if last is None or not _alike(last, row):
            session.add(row)
            await session.flush()
        look = looks.get(kpi.id)
        silent = await _tell(
            session, scope, kpi, row, known, silent=look is not None and look.silent,
        )  # fmt: skip
        if row.standing is not Standing.UNKNOWN:
            known = row
        await _look(session, kpi, row, known.standing if known else None, silent=silent)


async def _points(session: AsyncSession, scope: Scope) -> list[str]:
    return list((await members_of(session, scope.tenant_id, [scope.id]))[scope.id].points)


def _alike(last: ScopeStanding, now: ScopeStanding) -> bool:
    """Say whether nothing has changed: neither how it stands, nor of what, nor against what."""
    if last.points is not None and last.points != now.points:
        return False
    return (last.standing, last.kpi_revision) == (now.standing, now.kpi_revision)


async def _looks(
    session: AsyncSession, tenant_id: UUID, kpis: Sequence[ScopeKpi]
) -> Mapping[UUID, ScopeLook]:
    """Return what was measured of KPIs last."""
    rows = await session.scalars(
        select(ScopeLook).where(
            ScopeLook.tenant_id == tenant_id, ScopeLook.kpi_id.in_([one.id for one in kpis])
        )
    )
    return {row.kpi_id: row for row in rows}


async def _newest(
    session: AsyncSession, tenant_id: UUID, kpis: Sequence[ScopeKpi], *, definite: bool = False
) -> Mapping[UUID, ScopeStanding]:
    """Return how KPIs stood last, or how they stood last when that was known."""
    query = (
        select(ScopeStanding)
        .where(
            ScopeStanding.tenant_id == tenant_id,
            ScopeStanding.kpi_id.in_([one.id for one in kpis]),
        )
        .ext(distinct_on(ScopeStanding.kpi_id))
        .order_by(ScopeStanding.kpi_id, ScopeStanding.id.desc())
    )
    if definite:
        query = query.where(ScopeStanding.standing != Standing.UNKNOWN)
    return {row.kpi_id: row for row in await session.scalars(query)}


async def _row(
    session: AsyncSession,
    kpi: ScopeKpi,
    found: ScopeMeasured | None,
    lacking: str | None,
    of: Mapping[str, Any],
) -> ScopeStanding:
    place: dict[str, Any] = {
        **of,
        "tenant_id": kpi.tenant_id, "scope_id": kpi.scope_id, "kpi_id": kpi.id, "key": kpi.key,
        "kpi_revision": kpi.revision,
    }  # fmt: skip
    if found is None:
        now = await clock(session)
        return ScopeStanding(
            **place, standing=Standing.UNKNOWN, outcomes=0, since=now, until=now, lacking=lacking
        )
    return ScopeStanding(
        **place,
        standing=stands(missed=found.missed, certain=found.certain),
        value=found.value,
        low=found.low,
        high=found.high,
        outcomes=found.outcomes,
        since=found.since,
        until=found.until,
        lacking=found.lacking,
    )


async def _look(
    session: AsyncSession,
    kpi: ScopeKpi,
    row: ScopeStanding,
    known: Standing | None,
    *,
    silent: bool,
) -> None:
    """Keep what was measured last and what it was held against, for gauges."""
    said: dict[str, Any] = {
        "standing": row.standing, "value": row.value, "known": known, "silent": silent,
        "threshold": kpi.threshold, "target": kpi.target,
    }  # fmt: skip
    if row.value is not None:
        said["measured_at"] = func.clock_timestamp()
    place = {"tenant_id": row.tenant_id, "kpi_id": row.kpi_id}
    await session.execute(
        insert(ScopeLook)
        .values(**place, **said)
        .on_conflict_do_update(index_elements=list(place), set_=said)
    )


async def _tell(
    session: AsyncSession,
    scope: Scope,
    kpi: ScopeKpi,
    row: ScopeStanding,
    known: ScopeStanding | None,
    *,
    silent: bool,
) -> bool:
    """Tell how it stands, where that is to be told; return whether it is said to be silent.

    ``known`` is how it stood when that was last known.
    """
    before = known.standing if known else None
    points = set(row.points or ())
    facts: dict[str, Any] = {
        "tenant_id": scope.tenant_id, "scope_id": scope.id, "scope": scope.key,
        "scope_revision": scope.revision, "points": tuple(sorted(points)), "kpi_id": kpi.id,
        "kpi": kpi.key, "kpi_revision": kpi.revision, "direction": kpi.direction.value,
        "threshold": kpi.threshold, "tolerance": kpi.tolerance, "unit": kpi.unit,
        "since": row.since, "until": row.until,
    }  # fmt: skip
    if row.value is not None and announces(before, row.standing, silent=silent):
        kind = ScopeMissed if row.standing is Standing.MISSED else ScopeMet
        then = set(known.points or ()) if known and known.points is not None else points
        await publish(
            session,
            kind(
                **facts, value=row.value, outcomes=row.outcomes,
                joined=tuple(sorted(points - then)), left=tuple(sorted(then - points)),
            ),
        )  # fmt: skip
    due = row.since >= kpi.created_at
    falls = falls_silent(before, measured=row.value is not None, due=due, silent=silent)
    if falls:
        was = before.value if before else None
        await publish(session, ScopeUnknown(**facts, known=was, lacking=row.lacking))
    return row.standing is Standing.UNKNOWN and (silent or falls)


async def list_standings(
    session: AsyncSession,
    scope_key: str,
    key: str,
    *,
    cursor: str | None,
    limit: int,
    by: Actor,
) -> Rows[ScopeStanding]:
    """List how a KPI of a scope has stood, newest first; of one that was withdrawn as well.

    Of a scope that has ended by its id.
    """
    scope_id = await on_record(session, scope_key, by=by)
    place = {"tenant_id": by.tenant_id, "key": key}
    query = select(ScopeStanding).filter_by(**place, scope_id=scope_id)
    found = await page(
        session, query, ScopeStanding.id, cursor=cursor, limit=limit, newest_first=True
    )
    if not found.items and cursor is None:
        agreed = select(ScopeKpi.id).filter_by(**place, scope_id=scope_id)
        gone = select(Ended.id).filter_by(**place, place_id=scope_id)
        if await session.scalar(agreed.union(gone).limit(1)) is None:
            raise NotFound("KPI of this scope", key)
    return found
