from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import distinct, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, telemetry
from app.drift import rules
from app.drift.events import AlertRaised
from app.drift.rules import Thresholds
from app.drift.tables import Alert, AlertKind, Monitor, Watch, Window
from app.kit.actor import Actor
from app.kit.ids import uuid7
from app.kit.page import Rows, decode
from app.kit.revision import require_current
from app.platform.db import Database, page
from app.platform.events import publish

ACCURACY = "accuracy"
_WINDOWS_A_TURN = 200
_RELOOK = 4


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a version stands at a point after its newest window, or after a rehearsal."""

    windows: int
    since: datetime | None
    until: datetime | None
    variables: int
    drifting: list[str]
    severe: list[str]
    accuracy: float | None
    labelled: int
    degraded: bool
    reference: dict[str, float] | None

    @property
    def share(self) -> float:
        """Share of the variables that drift."""
        return len(self.drifting) / self.variables if self.variables else 0.0

    @property
    def severe_share(self) -> float:
        """Share of the variables that drift severely."""
        return len(self.severe) / self.variables if self.variables else 0.0


async def set_monitor(
    session: AsyncSession,
    key: str,
    *,
    expected: int | None,
    settings: dict[str, Any],
    by: Actor,
) -> Monitor:
    """Say how a decision point's traffic is watched from now on."""
    point = await catalog.point_by_key(session, key, by=by, lock=True)
    monitor = await session.get(Monitor, (by.tenant_id, point.id))
    if monitor is None:
        monitor = Monitor(tenant_id=by.tenant_id, point_id=point.id, settings=settings)
        session.add(monitor)
    else:
        if expected is not None:
            require_current(expected, monitor.revision)
        monitor.settings = settings
        monitor.revision += 1
    await session.flush()
    await audit.record(session, by, "monitor.set", f"point:{point.id}", **settings)
    return monitor


async def thresholds(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> Thresholds:
    """Return a point's monitor settings, or the defaults."""
    monitor = await session.get(Monitor, (tenant_id, point_id))
    return Thresholds(**monitor.settings) if monitor else Thresholds()


async def watch(database: Database) -> None:
    """Examine every window that has closed since the last look."""
    async with database.session() as session:
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
                telemetry.Series.arm != "rehearsal",
                (Watch.next_until.is_(None)) | (Watch.next_until <= telemetry.Series.through),
            )
            .distinct()
        )
        due = [tuple(row) for row in rows]
    for tenant_id, point_id, version_id in due:
        async with database.transaction() as session:
            await examine(session, tenant_id, point_id, version_id)


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
    baseline = await telemetry.baseline_of(session, tenant_id, version_id)
    history = await _history(session, watch_row, limits.of - 1)
    for _ in range(_WINDOWS_A_TURN):
        until = watch_row.next_until
        if until > traffic.through:
            break
        window = await _measure(
            session, watch_row, baseline, limits, until - width, until, traffic.series
        )
        session.add(window)
        history.append(window)
        await _relook(session, history, baseline, limits, traffic.series)
        await session.flush()
        await _raise_alerts(session, history, limits)
        watch_row.next_until = until + step
    await session.flush()


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


async def _history(session: AsyncSession, watch_row: Watch, count: int) -> list[Window]:
    rows = await session.scalars(
        select(Window)
        .filter_by(
            tenant_id=watch_row.tenant_id,
            point_id=watch_row.point_id,
            version_id=watch_row.version_id,
        )
        .order_by(Window.until.desc())
        .limit(max(count, _RELOOK))
    )
    return list(rows)[::-1]


async def _measure(
    session: AsyncSession,
    watch_row: Watch,
    baseline: telemetry.Baseline | None,
    limits: Thresholds,
    since: datetime,
    until: datetime,
    series: tuple[UUID, ...],
) -> Window:
    found = await telemetry.inputs(session, watch_row.tenant_id, series, since=since, until=until)
    done = await telemetry.outcomes(session, watch_row.tenant_id, series, since=since, until=until)
    variables: list[dict[str, Any]] = []
    if found is not None and baseline is not None:
        layout = telemetry.Layout.load(baseline.layout)
        profile = telemetry.Tally.decode(baseline.profile)
        variables = rules.compare(layout, profile, found, limits)
    return Window(
        tenant_id=watch_row.tenant_id,
        id=uuid7(),
        point_id=watch_row.point_id,
        version_id=watch_row.version_id,
        since=since,
        until=until,
        n=found.n if found else 0,
        variables=variables,
        alerting=[item["name"] for item in variables if item["drifts"]],
        labelled=done.labelled,
        accuracy=done.accuracy,
        degraded=rules.degraded(done, baseline.reference if baseline else None, limits.min_rows),
    )


async def _relook(
    session: AsyncSession,
    history: list[Window],
    baseline: telemetry.Baseline | None,
    limits: Thresholds,
    series: tuple[UUID, ...],
) -> None:
    """Measure the accuracy of recent windows again: outcomes mature after their events."""
    for window in history[-_RELOOK - 1 : -1]:
        done = await telemetry.outcomes(
            session, window.tenant_id, series, since=window.since, until=window.until
        )
        window.labelled, window.accuracy = done.labelled, done.accuracy
        window.degraded = rules.degraded(
            done, baseline.reference if baseline else None, limits.min_rows
        )


async def _raise_alerts(session: AsyncSession, history: list[Window], limits: Thresholds) -> None:
    window = history[-1]
    drifting = rules.persistent([set(item.alerting) for item in history], limits)
    found = [
        (AlertKind.PREDICTION if name == telemetry.SCORE else AlertKind.DATA, name)
        for name in sorted(drifting)
    ]
    if rules.persistent([{ACCURACY} if item.degraded else set() for item in history], limits):
        found.append((AlertKind.MATHEMATICAL, ACCURACY))
    for kind, subject in found:
        raised = await session.scalar(
            insert(Alert)
            .values(
                tenant_id=window.tenant_id,
                id=uuid7(),
                point_id=window.point_id,
                version_id=window.version_id,
                kind=kind,
                subject=subject,
                until=window.until,
            )
            .on_conflict_do_nothing()
            .returning(Alert.id)
        )
        if raised is None:
            continue
        await audit.record(
            session, Actor.system(window.tenant_id), "alert.raised",
            f"version:{window.version_id}", kind=kind, subject=subject, until=window.until,
        )  # fmt: skip
        await publish(
            session,
            AlertRaised(
                tenant_id=window.tenant_id,
                point_id=window.point_id,
                version_id=window.version_id,
                subject=subject,
                kind=kind.value,
                until=window.until,
            ),
        )


async def standing(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, version_id: UUID
) -> Standing:
    """Return where a version stands in production, from its last examined windows."""
    limits = await thresholds(session, tenant_id, point_id)
    key = {"tenant_id": tenant_id, "point_id": point_id, "version_id": version_id}
    count = await session.scalar(select(func.count(distinct(Window.id))).filter_by(**key))
    rows = await session.scalars(
        select(Window).filter_by(**key).order_by(Window.until.desc()).limit(limits.of)
    )
    history = list(rows)[::-1]
    baseline = await telemetry.baseline_of(session, tenant_id, version_id)
    reference = baseline.reference if baseline else None
    if not history:
        return Standing(0, None, None, 0, [], [], None, 0, degraded=False, reference=reference)
    drifting = rules.persistent([set(item.alerting) for item in history], limits)
    low = rules.persistent([{ACCURACY} if item.degraded else set() for item in history], limits)
    last = history[-1]
    return Standing(
        windows=count or 0,
        since=history[0].since,
        until=last.until,
        variables=len(rules.inputs_of(last.variables)),
        drifting=sorted(drifting - {telemetry.SCORE}),
        severe=sorted(
            rules.persistent([_severe(item.variables) for item in history], limits)
            - {telemetry.SCORE}
        ),
        accuracy=last.accuracy,
        labelled=last.labelled,
        degraded=bool(low),
        reference=reference,
    )


async def compare_rehearsal(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, version_id: UUID
) -> Standing:
    """Return where a version stands after its rehearsal, taken as one window."""
    limits = await thresholds(session, tenant_id, point_id)
    traffic = await telemetry.traffic(session, tenant_id, point_id, version_id, rehearsed=True)
    baseline = await telemetry.baseline_of(session, tenant_id, version_id)
    found = await telemetry.inputs(session, tenant_id, traffic.series)
    done = await telemetry.outcomes(session, tenant_id, traffic.series)
    variables: list[dict[str, Any]] = []
    if found is not None and baseline is not None:
        layout = telemetry.Layout.load(baseline.layout)
        profile = telemetry.Tally.decode(baseline.profile)
        variables = rules.inputs_of(rules.compare(layout, profile, found, limits))
    reference = baseline.reference if baseline else None
    return Standing(
        windows=1 if found else 0,
        since=traffic.first_hour,
        until=traffic.through,
        variables=len(variables),
        drifting=sorted(item["name"] for item in variables if item["drifts"]),
        severe=sorted(_severe(variables)),
        accuracy=done.accuracy,
        labelled=done.labelled,
        degraded=bool(rules.degraded(done, reference, limits.min_rows)),
        reference=reference,
    )


def _severe(variables: list[dict[str, Any]]) -> set[str]:
    return {item["name"] for item in variables if item["severe"]}


async def list_windows(
    session: AsyncSession,
    model: str,
    number: int,
    *,
    cursor: str | None,
    limit: int,
    by: Actor,
) -> Rows[Window]:
    """List a version's examined windows, newest first."""
    version = await catalog.find_version(session, model, number, by=by)
    query = select(Window).filter_by(tenant_id=by.tenant_id, version_id=version.id)
    if cursor is not None:
        query = query.where(Window.until < decode(cursor, datetime.fromisoformat)[0])
    return await page(session, query.order_by(Window.until.desc()), limit, lambda row: [row.until])


async def list_alerts(session: AsyncSession, model: str, number: int, *, by: Actor) -> list[Alert]:
    """List a version's alerts in order of event time."""
    version = await catalog.find_version(session, model, number, by=by)
    rows = await session.scalars(
        select(Alert)
        .filter_by(tenant_id=by.tenant_id, version_id=version.id)
        .order_by(Alert.until, Alert.subject)
    )
    return list(rows)


def described(limits: Thresholds) -> dict[str, Any]:
    """Return thresholds as plain JSON."""
    return asdict(limits)
