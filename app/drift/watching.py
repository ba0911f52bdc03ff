"""Watching: every window that closes is examined once, by whichever worker is there."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import telemetry
from app.drift import agreed, alerts, closing, lateness
from app.drift.ends import counted_end
from app.drift.history import history_of
from app.drift.measuring import MEASURED, Look, measure, whose
from app.drift.rules import Thresholds
from app.drift.segmenting import Segments
from app.drift.service import thresholds
from app.drift.tables import Watch, Window
from app.drift.turns import Turns
from app.platform.db import ALL_TENANTS, Database, clock
from app.platform.rota import for_each

Place = tuple[UUID, UUID, UUID]
"""A tenant, a decision point, a version."""
_WINDOWS_A_TURN = 200
_SEGMENTED_A_TURN = 20
"""Those with segments take many times as long, and nothing is folded meanwhile."""


_ROUNDS = 50
"""So often in a turn a version is gone on with after an alert moved."""


async def watch(database: Database) -> None:
    """Examine every window that has closed since the last look."""
    async with database.session(ALL_TENANTS) as session:
        rows = await session.execute(closing.due())
        due = [(row[0], row[1], row[2]) for row in rows]
    for _ in range(_ROUNDS):
        due = await _examine_each(database, due)
        if not due:
            break


async def _examine_each(database: Database, due: Sequence[Place]) -> list[Place]:
    """Examine versions at points, and return those that were not done to the end."""
    more: list[Place] = []

    async def one(session: AsyncSession, *place: *Place) -> None:
        if await examine(session, *place):
            more.append(place)

    await for_each(database, due, one)
    return more


async def examine(session: AsyncSession, tenant_id: UUID, point_id: UUID, version_id: UUID) -> bool:
    """Examine the closed windows of one version at one point, oldest first.

    Once an alert has moved, or where more has come late than is looked at in one go, it says that
    there is more, and is to be called again in a transaction of its own: until this one ends nobody
    else writes to the version's log, people least of all.
    """
    limits = await thresholds(session, tenant_id, point_id)
    traffic = await telemetry.traffic(session, tenant_id, point_id, version_id)
    if traffic.first_hour is None or traffic.through is None:
        return False
    width, step = timedelta(hours=limits.window_hours), timedelta(hours=limits.step_hours)
    watch_row = await _claim(
        session, tenant_id, point_id, version_id, first_until=traffic.first_hour + width
    )
    if watch_row is None:
        return False
    matured = limits.matured(await clock(session))
    late, more = await lateness.late(
        session, watch_row, limits, traffic.series, most=_WINDOWS_A_TURN
    )
    ripe, riper = await lateness.ripe(session, watch_row, matured, most=_WINDOWS_A_TURN)
    late = sorted({one.until: one for one in (*ripe, *late)}.values(), key=lambda one: one.until)
    more |= riper
    closed = await closing.closed(session, tenant_id, traffic)
    if not late and limits.window_events is None and watch_row.next_until > closed:
        return False  # what came belongs to a window that is open still
    baseline = await telemetry.baseline_of(session, tenant_id, version_id)
    turns = Turns(session, tenant_id, traffic, matured)
    segments = Segments(
        session, tenant_id, (point_id, version_id), baseline, limits, traffic.series, matured
    )
    look = Look(limits, baseline, traffic.series, segments, matured)
    await _again(session, watch_row, look, late, turns)
    history = await history_of(session, **whose(watch_row))
    if (late and history and await alerts.settle(session, history, limits)) or more:
        return True
    for _ in range(_SEGMENTED_A_TURN if segments.asked else _WINDOWS_A_TURN):
        span = await _next(session, watch_row, limits, traffic, closed, history)
        if span is None:
            break
        since, until = span
        window = await measure(session, watch_row, look, since, until)
        if not window.n:
            busy = await telemetry.next_hour(session, tenant_id, traffic.series, until)
            if busy is None:
                break
            # Nothing happened: on to the first window that holds the next event.
            watch_row.next_until = until + step * max(1, -(-(busy - until) // step))
            continue
        await turns.judge(window)
        await agreed.judge(session, window, limits)
        session.add(window)
        history.append(window)
        await session.flush()
        watch_row.next_until = until if limits.window_events else until + step
        if await alerts.settle(session, history, limits):
            return True
    await session.flush()
    return False


async def _again(
    session: AsyncSession,
    watch_row: Watch,
    look: Look,
    late: list[Window],
    turns: Turns,
) -> None:
    """Measure the windows again that hold what has come late."""
    for window in late:
        fresh = await measure(session, watch_row, look, window.since, window.until)
        await turns.judge(fresh)
        for name in MEASURED:
            setattr(window, name, getattr(fresh, name))
        await agreed.judge(session, window, look.limits)
        window.examined_at = func.clock_timestamp()
        if window.n:
            session.add(window)
    await session.flush()


async def _next(
    session: AsyncSession,
    watch_row: Watch,
    limits: Thresholds,
    traffic: telemetry.Traffic,
    closed: datetime,
    history: list[Window],
) -> tuple[datetime, datetime] | None:
    """Return the next window that has closed, if one has."""
    assert traffic.first_hour is not None  # noqa: S101 - there is traffic
    assert traffic.through is not None  # noqa: S101 - likewise
    newest = history[-1].until if history else None
    if limits.window_events is None:
        until = watch_row.next_until
        if newest is not None and until <= newest:
            until = newest + timedelta(hours=limits.step_hours)  # it went by count before
        since = until - timedelta(hours=limits.window_hours)
        return (since, until) if until <= closed else None
    begins = newest or traffic.first_hour
    first, last = telemetry.hour_at(begins), telemetry.hour_at(traffic.through)
    found = await telemetry.events_in(session, watch_row.tenant_id, traffic.series, first, last, 1)
    by_hour = Counter[int]()
    for hours in found.values():
        by_hour.update(hours)
    end = counted_end(by_hour, first, last, limits.window_events)
    return None if end is None else (begins, telemetry.begins(end, 1))


async def _claim(
    session: AsyncSession,
    tenant_id: UUID,
    point_id: UUID,
    version_id: UUID,
    *,
    first_until: datetime,
) -> Watch | None:
    """Take the watch row, or ``None`` if another worker holds it."""
    key = {"tenant_id": tenant_id, "point_id": point_id, "version_id": version_id}
    await session.execute(
        insert(Watch).values(**key, next_until=first_until).on_conflict_do_nothing()
    )
    return await session.scalar(select(Watch).filter_by(**key).with_for_update(skip_locked=True))
