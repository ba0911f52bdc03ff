"""Alerts as people see and handle them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, gates, identity
from app.drift import alert_rules as rules
from app.drift import alert_views, alerts, saying, silences, telling, tending
from app.drift.alert_rules import AlertKind, Happening, Severity, State
from app.drift.alert_tables import Episode
from app.drift.history import seen_of
from app.drift.service import thresholds
from app.drift.tables import Alert, Window
from app.kit.actor import Actor
from app.kit.page import Rows
from app.kit.refusal import NotFound, Refusal
from app.platform.db import page

_EPISODES = 100
"""So many of an alert are shown, the newest."""


async def list_alerts(
    session: AsyncSession,
    *,
    state: State | None,
    severity: Severity | None,
    kind: AlertKind | None,
    point_key: str | None,
    model: str | None,
    silenced: bool | None,
    cursor: str | None,
    limit: int,
    by: Actor,
) -> Rows[dict[str, Any]]:
    """List alerts by their newest episodes, newest first; of the points a key in hand is for."""
    query = _newest().where(Episode.tenant_id == by.tenant_id)
    for column, asked in ((Episode.state, state), (Episode.severity, severity), (Alert.kind, kind)):
        if asked is not None:
            query = query.where(column == asked)
    if model is not None:
        found = await catalog.model_of(session, model, by=by)
        query = query.where(catalog.Version.model_id == found.id)
    if silenced is not None:
        query = query.where(silences.muting() if silenced else ~silences.muting())
    if point_key is not None:
        point = await catalog.point_by_key(session, point_key, by=by)
        query = query.where(Alert.point_id == point.id)
    elif by.points is not None:
        query = query.where(Alert.point_id.in_(catalog.ids_of(by.tenant_id, by.points)))
    rows = await page(
        session, query, Episode.at, Episode.id, cursor=cursor, limit=limit, newest_first=True
    )
    ids = {row.alert_id for row in rows.items}
    alerts_by_id = {
        row.id: row
        for row in await session.scalars(
            select(Alert).where(Alert.tenant_id == by.tenant_id, Alert.id.in_(ids))
        )
    }
    pairs = [(alerts_by_id[row.alert_id], row) for row in rows.items]
    return Rows(await alert_views.shown(session, by.tenant_id, pairs), rows.next_cursor)


def _newest() -> Select[Episode]:
    """Return a query for the newest episode of each alert, joined with its version."""
    return (
        select(Episode)
        .join(Alert, (Alert.tenant_id == Episode.tenant_id) & (Alert.id == Episode.alert_id))
        .join(
            catalog.Version,
            (catalog.Version.tenant_id == Alert.tenant_id)
            & (catalog.Version.id == Alert.version_id),
        )
        .where(alerts.is_newest())
    )


async def alert_of(session: AsyncSession, alert_id: UUID, *, by: Actor) -> dict[str, Any]:
    """Return an alert with its episodes, and the windows that made the newest of them last."""
    alert, point = await _found(session, alert_id, by=by)
    rows = await session.scalars(
        select(Episode)
        .filter_by(tenant_id=by.tenant_id, alert_id=alert.id)
        .order_by(Episode.number.desc())
        .limit(_EPISODES)
    )
    episodes = list(rows) or [tending.as_before(alert)]
    (shown,) = await alert_views.shown(session, by.tenant_id, [(alert, episodes[0])])
    limits = await thresholds(session, by.tenant_id, point.id)
    said_until = await _said_until(session, alert)
    windows = select(Window).filter_by(
        tenant_id=by.tenant_id, point_id=alert.point_id, version_id=alert.version_id
    )
    evidence = await session.scalars(
        windows.where(Window.until <= episodes[0].since)
        .order_by(Window.until.desc())
        .limit(limits.of)
    )
    later = windows.where(Window.until > (said_until or episodes[0].since)).subquery()
    return {
        **shown,
        "said_until": said_until,
        "silent": await session.scalar(select(func.count()).select_from(later)),
        "episodes": [alert_views.life(row) for row in episodes],
        "evidence": [alert_views.evidence(alert, window) for window in evidence],
        "next": alert_views.following(alert, episodes[0], shown),
    }


async def _said_until(session: AsyncSession, alert: Alert) -> datetime | None:
    """Return the end of the newest window that says anything of an alert's subject."""
    seen = await seen_of(session, alert.tenant_id, alert.point_id, alert.version_id)
    return saying.through(seen, (alert.kind, alert.subject))


async def acknowledge(
    session: AsyncSession, alert_id: UUID, *, comment: str, by: Actor
) -> dict[str, Any]:
    """Say that one looks at an alert; who said so first is who does."""
    alert, episode = await _handled(session, alert_id, by=by)
    episode.state = _moved(alert, episode, Happening.ACKNOWLEDGE)
    episode.acknowledged_at = func.clock_timestamp()
    episode.acknowledged_by = by.person_id
    episode.comment = comment
    await session.flush()
    await session.refresh(episode)
    await audit.record(
        session, by, "alert.acknowledged", f"version:{alert.version_id}",
        alert=alert.id, episode=episode.number, kind=alert.kind, subject=alert.subject,
        personal={"comment": comment},
    )  # fmt: skip
    await telling.tell(session, alert, episode)
    return await alert_of(session, alert_id, by=by)


async def resolve(
    session: AsyncSession, alert_id: UUID, *, reason: str, by: Actor
) -> dict[str, Any]:
    """End an alert by one's word; a later window that is still beyond makes it fire anew."""
    alert, episode = await _handled(session, alert_id, by=by)
    _moved(alert, episode, Happening.RESOLVE)
    await alerts.end(
        session, alert, episode, Happening.RESOLVE, by=by, reason=reason,
        through=await _said_until(session, alert),
    )  # fmt: skip
    return await alert_of(session, alert_id, by=by)


def _moved(alert: Alert, episode: Episode, what: Happening) -> State:
    """Return where a person's act takes an episode; a refusal names the alert it is about."""
    try:
        return rules.move(episode.state, what)
    except Refusal as refusal:
        raise type(refusal)(
            refusal.detail, filled={"alert_id": alert.id}, state=episode.state.value
        ) from refusal


async def _found(
    session: AsyncSession, alert_id: UUID, *, by: Actor
) -> tuple[Alert, catalog.DecisionPoint]:
    alert = await session.get(Alert, (by.tenant_id, alert_id))
    if alert is None:
        raise NotFound("alert", alert_id)
    point = await catalog.point_by_id(session, by.tenant_id, alert.point_id)
    if by.points is not None and point.key not in by.points:
        raise NotFound("alert", alert_id)
    return alert, point


async def _handled(session: AsyncSession, alert_id: UUID, *, by: Actor) -> tuple[Alert, Episode]:
    """Return an alert that somebody may handle, its newest episode locked."""
    alert, point = await _found(session, alert_id, by=by)
    roles = await gates.roles_at(session, point.id, by=by)
    await identity.require_right(
        session, by, identity.Action.EDIT_MONITOR, point=point.key, roles=roles
    )
    episodes = await alerts.newest_of(session, by.tenant_id, {alert.id})
    if alert.id not in episodes:
        return alert, await tending.adopt(session, alert)
    return alert, episodes[alert.id]
