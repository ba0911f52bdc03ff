"""Watching: every window that closes is examined once, by whichever worker is there."""

import asyncio
from collections import Counter, defaultdict
from dataclasses import asdict
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import telemetry
from app.drift import agreed, alerts, degrading, foreseeing, rules
from app.drift.ends import counted_end
from app.drift.regimes import Regimes, regimes
from app.drift.rules import Thresholds
from app.drift.segmenting import Segments
from app.drift.service import thresholds
from app.drift.tables import Watch, Window
from app.kit.ids import uuid7
from app.platform.db import ALL_TENANTS, Database
from app.platform.rota import for_each

_WINDOWS_A_TURN = 200
_SEGMENTED_A_TURN = 20
"""Those with segments take many times as long, and nothing is folded meanwhile."""


_HISTORY = 64
"""So many windows are looked back at: labels may be that far behind."""
_MEASURED = (
    "n", "variables", "alerting", "labelled", "accuracy", "metrics", "degraded", "estimated",
    "concept", "basis", "segments", "fairness",
)  # fmt: skip
_WEEK, _WEEKS = timedelta(days=7), 4
"""So many weeks back the same hours are looked at."""
_REGIME_HOURS = 24 * 90
"""So far back changes of the errors are looked for."""


async def watch(database: Database) -> None:
    """Examine every window that has closed since the last look."""
    async with database.session(ALL_TENANTS) as session:
        rows = await session.execute(
            select(
                telemetry.Series.tenant_id,
                telemetry.Series.point_id,
                telemetry.Series.version_id,
            )
            .outerjoin(
                Watch,
                (Watch.tenant_id == telemetry.Series.tenant_id)
                & (Watch.point_id == telemetry.Series.point_id)
                & (Watch.version_id == telemetry.Series.version_id),
            )
            .where(
                telemetry.Series.through.is_not(None),
                telemetry.Series.arm != telemetry.REHEARSAL,
                ~telemetry.Series.arm.startswith(telemetry.SHADOW_PREFIX),
                (Watch.next_until.is_(None))
                | (Watch.next_until <= telemetry.Series.through)
                | telemetry.Series.touched_hour.is_not(None),
            )
            .distinct()
        )
        due = [(row[0], row[1], row[2]) for row in rows]
    await for_each(database, due, examine)


async def examine(session: AsyncSession, tenant_id: UUID, point_id: UUID, version_id: UUID) -> None:
    """Examine the closed windows of one version at one point, oldest first."""
    limits = await thresholds(session, tenant_id, point_id)
    traffic = await telemetry.traffic(session, tenant_id, point_id, version_id)
    if traffic.first_hour is None or traffic.through is None:
        return
    width, step = timedelta(hours=limits.window_hours), timedelta(hours=limits.step_hours)
    watch_row = await _claim(
        session, tenant_id, point_id, version_id, first_until=traffic.first_hour + width
    )
    if watch_row is None:
        return
    touched = await _touched(session, tenant_id, traffic.series)
    late = await _late(session, watch_row, limits, touched) if touched else []
    if not late and limits.window_events is None and watch_row.next_until > traffic.through:
        return  # what came belongs to a window that is open still
    baseline = await telemetry.baseline_of(session, tenant_id, version_id)
    turns = Turns(session, tenant_id, traffic)
    segments = Segments(session, tenant_id, baseline, limits, traffic.series)
    look = Look(limits, baseline, traffic.series, segments)
    await _again(session, watch_row, look, late, turns)
    history = await _history(session, watch_row)
    if late and history:
        await alerts.settle(session, history, limits)
    for _ in range(_SEGMENTED_A_TURN if segments.asked else _WINDOWS_A_TURN):
        span = await _next(session, watch_row, limits, traffic, history)
        if span is None:
            break
        since, until = span
        window = await _measure(session, watch_row, look, since, until)
        if not window.n:
            busy = await telemetry.next_hour(session, tenant_id, traffic.series, until)
            if busy is None:
                break
            # Nothing happened: on to the first window that holds the next event.
            watch_row.next_until = until + step * max(1, -(-(busy - until) // step))
            continue
        window.concept = await turns.known(until)
        await agreed.judge(session, window, limits)
        session.add(window)
        history.append(window)
        await session.flush()
        await alerts.settle(session, history, limits)
        watch_row.next_until = until if limits.window_events else until + step
    await session.flush()


class Look(NamedTuple):
    """What windows are measured by, and whose profiles are in them."""

    limits: Thresholds
    baseline: telemetry.Baseline | None
    series: tuple[UUID, ...]
    segments: Segments


class Turns:
    """When the errors of a version's traffic changed; read once, if anybody wants to know."""

    def __init__(self, session: AsyncSession, tenant_id: UUID, traffic: telemetry.Traffic) -> None:
        self._about = session, tenant_id, traffic
        self._found: list[Regimes] | None = None

    async def known(self, until: datetime) -> list[dict[str, Any]]:
        """Return the newest change of each subject that was known by a moment."""
        if self._found is None:
            self._found = await _regimes(*self._about)
        return [known for turn in self._found if (known := turn.known(until)) is not None]


async def _again(
    session: AsyncSession,
    watch_row: Watch,
    look: Look,
    late: list[Window],
    turns: Turns,
) -> None:
    """Measure the windows again that hold what has come late."""
    for window in late:
        fresh = await _measure(session, watch_row, look, window.since, window.until)
        fresh.concept = await turns.known(window.until)
        for name in _MEASURED:
            setattr(window, name, getattr(fresh, name))
        await agreed.judge(session, window, look.limits)
        window.examined_at = func.clock_timestamp()
        if window.n:
            session.add(window)
    await session.flush()


async def _touched(
    session: AsyncSession, tenant_id: UUID, series: tuple[UUID, ...]
) -> datetime | None:
    """Return the earliest hour that changed since the last look, which this one answers.

    The series are locked: what is folded meanwhile touches them again.
    """
    rows = await session.scalars(
        select(telemetry.Series)
        .where(
            telemetry.Series.tenant_id == tenant_id,
            telemetry.Series.id.in_(series),
            telemetry.Series.touched_hour.is_not(None),
        )
        .order_by(telemetry.Series.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    hours = []
    for one in rows:
        hours.append(one.touched_hour or 0)
        one.touched_hour = None
    return telemetry.begins(min(hours), 1) if hours else None


async def _late(
    session: AsyncSession, watch_row: Watch, limits: Thresholds, touched: datetime
) -> list[Window]:
    """Return the windows that hold what has come late, those that there were none for too.

    Labels mature after their events, and events come late: neither is lost on windows that closed.
    """
    mine = _whose(watch_row)
    rows = await session.scalars(
        select(Window)
        .filter_by(**mine)
        .where(Window.until > touched)
        .order_by(Window.until.desc())
        .limit(_WINDOWS_A_TURN)
    )
    found = list(rows)[::-1]
    first = await session.scalar(
        select(Window.until).filter_by(**mine).order_by(Window.until).limit(1)
    )
    if first is None or limits.window_events is not None:
        return found
    width, step = timedelta(hours=limits.window_hours), timedelta(hours=limits.step_hours)
    earlier: list[Window] = []
    until = first - step
    while until > touched and len(earlier) < _WINDOWS_A_TURN:
        earlier.append(Window(**mine, id=uuid7(), since=until - width, until=until))
        until -= step
    return [*earlier[::-1], *found]


async def _next(
    session: AsyncSession,
    watch_row: Watch,
    limits: Thresholds,
    traffic: telemetry.Traffic,
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
        return (since, until) if until <= traffic.through else None
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


def _whose(watch_row: Watch) -> dict[str, UUID]:
    """Return what a version's windows at a point are found by."""
    return {name: getattr(watch_row, name) for name in ("tenant_id", "point_id", "version_id")}


async def _history(session: AsyncSession, watch_row: Watch) -> list[Window]:
    rows = await session.scalars(
        select(Window).filter_by(**_whose(watch_row)).order_by(Window.until.desc()).limit(_HISTORY)
    )
    return list(rows)[::-1]


async def _measure(
    session: AsyncSession,
    watch_row: Watch,
    look: Look,
    since: datetime,
    until: datetime,
) -> Window:
    limits, baseline, series, _ = look
    found = await telemetry.inputs(session, watch_row.tenant_id, series, since=since, until=until)
    done = await telemetry.outcomes(session, watch_row.tenant_id, series, since=since, until=until)
    metrics = degrading.judged(done, baseline.metrics if baseline else {}, limits.min_rows)
    variables: list[dict[str, Any]] = []
    estimated: list[dict[str, Any]] = []
    if found is not None and baseline is not None:
        layout = telemetry.Layout.load(baseline.layout)
        profile = telemetry.Tally.decode(baseline.profile)
        season = await _season(session, watch_row.tenant_id, series, since, until)
        variables = rules.with_season(
            rules.compare(layout, profile, found, limits), layout, season, found, limits
        )
        estimated = foreseeing.estimated(
            layout, found, baseline.curve, baseline.metrics, limits.min_rows
        )
    segments, fairness = await look.segments.measured(since, until)
    return Window(
        **_whose(watch_row),
        id=uuid7(),
        since=since,
        until=until,
        n=found.n if found else 0,
        variables=variables,
        alerting=[item["name"] for item in variables if item["drifts"]],
        labelled=done.labelled,
        accuracy=done.accuracy,
        metrics=metrics,
        degraded=degrading.degraded(metrics),
        estimated=estimated,
        concept=[],
        segments=segments,
        fairness=fairness,
        basis={
            "monitor": asdict(limits),
            "baseline": baseline.digest if baseline else None,
            "inputs": _digest(found.encode()) if found else None,
            "labelled": done.labelled,
        },
    )


async def _season(
    session: AsyncSession,
    tenant_id: UUID,
    series: tuple[UUID, ...],
    since: datetime,
    until: datetime,
) -> telemetry.Tally | None:
    """Return what the same weekdays and hours of the weeks before held."""
    # Of windows longer than a week the weeks between are the window's own.
    apart = _WEEK * max(1, -(-(until - since) // _WEEK))
    weeks = [
        await telemetry.inputs(
            session, tenant_id, series, since=since - n * apart, until=until - n * apart
        )
        for n in range(1, _WEEKS + 1)
    ]
    return telemetry.total(one for one in weeks if one is not None)


async def _regimes(
    session: AsyncSession, tenant_id: UUID, traffic: telemetry.Traffic
) -> list[Regimes]:
    """Return when the errors of a version's traffic changed, over its newest hours."""
    assert traffic.first_hour is not None  # noqa: S101 - there is traffic
    assert traffic.through is not None  # noqa: S101 - likewise
    last = telemetry.hour_at(traffic.through) + 1
    first = max(telemetry.hour_at(traffic.first_hour), last - _REGIME_HOURS)
    found = await telemetry.profiles_in(
        session, tenant_id, traffic.series, telemetry.ProfileKind.OUTCOMES, first, last, 1
    )
    by_hour: dict[int, list[telemetry.Tally]] = defaultdict(list)
    for hours in found.values():
        for hour, tally in hours.items():
            by_hour[hour - first].append(tally)
    done = {place: telemetry.performance(telemetry.total(some)) for place, some in by_hour.items()}
    return await asyncio.to_thread(regimes, telemetry.begins(first, 1), done, last - first)


def _digest(profile: bytes) -> str:
    return f"sha256:{sha256(profile).hexdigest()}"
