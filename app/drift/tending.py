"""Tending: what befalls alerts between windows.

Alerts that an older release raised become episodes; those of versions that left end, and those that
nothing looks at any more; what a silence kept back is told once it is over.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog
from app.drift import alert_rules as rules
from app.drift import alerts, lapsing, saying, silences, telling
from app.drift.alert_rules import AlertKind, Happening, Severity, State
from app.drift.alert_tables import Episode
from app.drift.history import seen_of
from app.drift.tables import Alert, Watch
from app.drift.tenure import Serving
from app.kit.actor import Actor
from app.platform.db import ALL_TENANTS, Database
from app.platform.events import ask
from app.platform.rota import for_each


async def tend(database: Database) -> None:
    """Do once what is due between windows."""
    standing = Episode.state.in_(rules.STANDING)
    told = (Episode.tenant_id == Alert.tenant_id) & (Episode.alert_id == Alert.id)
    async with database.session(ALL_TENANTS) as session:
        unknown = await session.execute(
            select(Alert.tenant_id, Alert.id).where(~select(Episode.id).where(told).exists())
        )
        older = [(tenant_id, id_) for tenant_id, id_ in unknown]
        open_ones = await session.execute(
            select(Alert.tenant_id, Alert.point_id, Alert.version_id)
            .join(Episode, told)
            .where(standing)
            .distinct()
        )
        serving = [(row[0], row[1], row[2]) for row in open_ones]
        held = await session.execute(
            select(Alert.tenant_id, Alert.id)
            .join(Episode, told)
            .join(
                catalog.Version,
                (catalog.Version.tenant_id == Alert.tenant_id)
                & (catalog.Version.id == Alert.version_id),
            )
            .where(standing, _untold(), ~silences.muting())
        )
        untold = [(tenant_id, id_) for tenant_id, id_ in held]
    points = list({(tenant_id, point_id): None for tenant_id, point_id, _ in serving})
    steps: tuple[tuple[list[Any], Any], ...] = (
        (older, _adopt), (serving, _leave), (points, _lapse), (untold, _tell),
    )  # fmt: skip
    failed: list[Exception] = []
    # What fails for one tenant is no reason for another not to be told.
    for items, work in steps:
        try:
            await for_each(database, items, work)
        except ExceptionGroup as error:
            failed.append(error)
    if failed:
        raise ExceptionGroup("not everything that was due was done", failed)


def as_before(alert: Alert) -> Episode:
    """Return the episode of an alert that a release without episodes raised."""
    severe = alert.kind is AlertKind.MATHEMATICAL
    severity = Severity.CRITICAL if severe else Severity.WARNING
    return Episode(
        tenant_id=alert.tenant_id,
        alert_id=alert.id,
        number=1,
        severity=severity,
        state=State.FIRING,
        since=alert.until,
        at=alert.raised_at,
        told_at=alert.raised_at,
        told_severity=severity,
        told_state=State.FIRING,
    )


async def adopt(session: AsyncSession, alert: Alert) -> Episode:
    """Give an alert that has none its episode, as firing; one who comes second finds it."""
    await session.execute(_watch_of(alert).with_for_update())
    known = await alerts.newest_of(session, alert.tenant_id, {alert.id})
    if alert.id in known:
        return known[alert.id]
    episode = as_before(alert)
    session.add(episode)
    await session.flush()
    await audit.record(
        session, Actor.system(alert.tenant_id), "alert.adopted", f"version:{alert.version_id}",
        alert=alert.id, episode=1, kind=alert.kind, subject=alert.subject,
        severity=episode.severity,
    )  # fmt: skip
    return episode


async def _adopt(session: AsyncSession, tenant_id: UUID, alert_id: UUID) -> None:
    alert = await session.get(Alert, (tenant_id, alert_id))
    if alert is not None:
        await adopt(session, alert)


async def _leave(session: AsyncSession, tenant_id: UUID, point_id: UUID, version_id: UUID) -> None:
    """End the alerts of a version that has left a point, if whoever knows says so."""
    tenure = await ask(session, Serving(tenant_id, point_id, version_id))
    if tenure is None or tenure.serves:
        return
    rows = await session.scalars(
        select(Alert).filter_by(tenant_id=tenant_id, point_id=point_id, version_id=version_id)
    )
    found = {alert.id: alert for alert in rows}
    seen = await seen_of(session, tenant_id, point_id, version_id)
    for episode in (await alerts.newest_of(session, tenant_id, set(found))).values():
        if episode.state in rules.STANDING:
            alert = found[episode.alert_id]
            through = saying.through(seen, (alert.kind, alert.subject))
            by = Actor.system(tenant_id)
            await alerts.end(session, alert, episode, Happening.LEFT, by=by, through=through)


async def _lapse(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> None:
    await lapsing.lapse(session, tenant_id, point_id, by=Actor.system(tenant_id))


async def _tell(session: AsyncSession, tenant_id: UUID, alert_id: UUID) -> None:
    alert = await session.get(Alert, (tenant_id, alert_id))
    episode = (await alerts.newest_of(session, tenant_id, {alert_id})).get(alert_id)
    if alert is not None and episode is not None and episode.state in rules.STANDING:
        await telling.tell(session, alert, episode)


def _untold() -> ColumnElement[bool]:
    """Return whether an episode is otherwise than was last told of it, if anything was."""
    return (
        Episode.told_at.is_(None)
        | (Episode.told_severity != Episode.severity)
        | (Episode.told_state != Episode.state)
    )


def _watch_of(alert: Alert) -> Select[UUID]:
    return select(Watch.tenant_id).filter_by(
        tenant_id=alert.tenant_id, point_id=alert.point_id, version_id=alert.version_id
    )
