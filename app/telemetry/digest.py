"""Folding deltas into hourly profiles: the worker's side of telemetry.

A series is folded by one worker at a time (its row is claimed with SKIP LOCKED), different series
by as many as there are. A killed worker's transaction rolls back and the deltas are there still.
"""

import asyncio
import logging
from collections import defaultdict
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.db import ALL_TENANTS, Database
from app.platform.rota import for_each
from app.telemetry import labelling
from app.telemetry.charts import begins
from app.telemetry.sheaf import merged
from app.telemetry.tables import Delta, HourProfile, ProfileKind, Segment, Series
from app.telemetry.touching import mark

logger = logging.getLogger(__name__)

_DELTAS_A_TURN = 2000
_TURNS = 50
_PARTITION_DAYS = 3

Added = dict[tuple[ProfileKind, int], list[bytes]]
"""What comes to each hour."""


async def digest(database: Database) -> None:
    """Join outcomes that are due and fold series that have deltas, until little is left.

    It ends after some turns even under constant load: others wait for what is folded already.
    """
    for _ in range(_TURNS):
        async with database.transaction(ALL_TENANTS) as session:
            joined = await labelling.join(session)
        folded: list[int] = []

        async def one(
            session: AsyncSession, tenant_id: UUID, series_id: UUID, done: list[int] = folded
        ) -> None:
            done.append(await fold(session, tenant_id, series_id))

        await for_each(database, await _waiting(database), one)
        if not joined and not any(folded):
            return


async def _waiting(database: Database) -> list[tuple[UUID, UUID]]:
    """Return the series that have deltas, or whose parts have."""
    whole = func.coalesce(Segment.series_id, Delta.series_id)
    query = select(Delta.tenant_id, whole).outerjoin(
        Segment, (Segment.tenant_id == Delta.tenant_id) & (Segment.id == Delta.series_id)
    )
    async with database.session(ALL_TENANTS) as session:
        rows = await session.execute(query.distinct())
        return [(row[0], row[1]) for row in rows]


async def fold(session: AsyncSession, tenant_id: UUID, series_id: UUID) -> int:
    """Fold some deltas of a series and its parts; return how many.

    0 if another worker is at it. Parts are folded with their series: nobody sees the one without
    the others, unless more waits than is folded at a time.
    """
    series = await session.scalar(
        select(Series)
        .filter_by(tenant_id=tenant_id, id=series_id)
        .with_for_update(skip_locked=True)
    )
    if series is None:
        return 0
    parts = await session.scalars(
        select(Segment).filter_by(tenant_id=tenant_id, series_id=series_id)
    )
    counted: dict[UUID, Series | Segment] = {series.id: series, **{one.id: one for one in parts}}
    oldest = (
        select(Delta.id)
        .where(Delta.tenant_id == tenant_id, Delta.series_id.in_(counted))
        .order_by(Delta.id)
        .limit(_DELTAS_A_TURN)
    )
    rows = (
        await session.execute(
            delete(Delta)
            .where(Delta.tenant_id == tenant_id, Delta.id.in_(oldest))
            .returning(Delta.series_id, Delta.kind, Delta.hour, Delta.payload)
            .execution_options(synchronize_session=False)
        )
    ).all()
    added: dict[UUID, Added] = defaultdict(lambda: defaultdict(list))
    for whose, kind, hour, payload in rows:
        added[whose][kind, hour].append(payload)
    for whose, tallies in added.items():
        mark(series, min(hour for _, hour in tallies))
        await _merge(session, counted[whose], tallies)
    return len(rows)


async def _merge(session: AsyncSession, series: Series | Segment, added: Added) -> None:
    hours: dict[ProfileKind, list[int]] = defaultdict(list)
    for kind, hour in added:
        hours[kind].append(hour)
    rows = []
    for kind, wanted in hours.items():
        stored = await session.execute(
            select(HourProfile.hour, HourProfile.payload, HourProfile.n).where(
                HourProfile.tenant_id == series.tenant_id,
                HourProfile.series_id == series.id,
                HourProfile.kind == kind,
                HourProfile.hour.in_(wanted),
            )
        )
        before = 0
        for hour, payload, n in stored:
            added[kind, hour].append(payload)
            before += n
        # Other tasks have their turn while many hours are added up.
        found = await asyncio.to_thread(merged, [added[kind, hour] for hour in wanted])
        if kind is ProfileKind.INPUTS:
            series.events += sum(n for n, _ in found) - before
            _advance(series, wanted)
        rows += [
            {
                "tenant_id": series.tenant_id,
                "series_id": series.id,
                "kind": kind,
                "hour": hour,
                "n": n,
                "payload": payload,
            }
            for hour, (n, payload) in zip(wanted, found, strict=True)
        ]
    upsert = insert(HourProfile)
    await session.execute(
        upsert.on_conflict_do_update(
            index_elements=["tenant_id", "series_id", "kind", "hour"],
            set_={
                "n": upsert.excluded.n,
                "payload": upsert.excluded.payload,
                "folded_at": func.now(),
            },
        ),
        rows,
    )


def _advance(series: Series | Segment, hours: list[int]) -> None:
    first = begins(min(hours), 1)
    last = begins(max(hours), 1)
    series.first_hour = min(series.first_hour or first, first)
    series.through = max(series.through or last, last)


async def make_partitions(database: Database) -> None:
    """Make the raw events' partitions of today and the next days.

    A day whose events are in the default partition already stays there.
    """
    async with database.transaction(ALL_TENANTS) as session:
        today = await session.scalar(select(func.current_date()))
        assert today is not None  # noqa: S101 - the database has a date
        for ahead in range(_PARTITION_DAYS):
            day = today + timedelta(days=ahead)
            await session.execute(select(func.telemetry_make_partition(day)))
