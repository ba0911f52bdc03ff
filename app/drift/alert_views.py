"""Alerts as they are shown: under the names of what they are about, with their lives."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog
from app.drift import alerts, silences, tending
from app.drift.alert_rules import AlertKind, State, ending_of
from app.drift.alert_tables import Episode
from app.drift.subjects import parted
from app.drift.tables import Alert, Window
from app.kit.page import Rows


async def lives(session: AsyncSession, tenant_id: UUID, rows: Rows[Alert]) -> Rows[dict[str, Any]]:
    """Return a version's alerts with the state and severity of their newest episodes."""
    ids = {row.id for row in rows.items}
    found = await session.scalars(
        select(Episode).where(
            Episode.tenant_id == tenant_id, Episode.alert_id.in_(ids), alerts.is_newest()
        )
    )
    newest = {row.alert_id: row for row in found}
    pairs = [(row, newest.get(row.id) or tending.as_before(row)) for row in rows.items]
    named = [
        {
            "id": alert.id,
            "point_id": alert.point_id,
            "kind": alert.kind,
            "subject": alert.subject,
            "until": alert.until,
            "raised_at": alert.raised_at,
            "state": episode.state,
            "severity": episode.severity,
        }
        for alert, episode in pairs
    ]
    return Rows(named, rows.next_cursor)


async def shown(
    session: AsyncSession, tenant_id: UUID, pairs: list[tuple[Alert, Episode]]
) -> list[dict[str, Any]]:
    """Return alerts under the names of what they are about, each with its newest episode."""
    found = [alert for alert, _ in pairs]
    points = await catalog.points_by_id(session, tenant_id, {row.point_id for row in found})
    versions = await catalog.versions_by_id(session, tenant_id, {row.version_id for row in found})
    muted = await silences.muted(session, tenant_id, {row.id for row in found})
    return [
        {
            **life(episode),
            "id": alert.id,
            "decision_point": points[alert.point_id].key,
            "model": versions[alert.version_id][0].name,
            "version": versions[alert.version_id][1].number,
            "version_id": alert.version_id,
            "kind": alert.kind,
            "subject": alert.subject,
            "silenced": alert.id in muted,
        }
        for alert, episode in pairs
    ]


def life(episode: Episode) -> dict[str, Any]:
    """Return an episode as it is shown."""
    return {
        "episode": episode.number,
        "severity": episode.severity,
        "worst": episode.peak,
        "state": episode.state,
        "since": episode.since,
        "raised_at": episode.at,
        "fired_at": episode.fired_at or episode.at,
        "acknowledged_at": episode.acknowledged_at,
        "acknowledged_by": episode.acknowledged_by,
        "comment": episode.comment,
        "resolved_at": episode.resolved_at,
        "resolved_by": episode.resolved_by,
        "ending": ending_of(episode.ending, episode.resolved_by),
        "reason": episode.reason,
    }


def evidence(alert: Alert, window: Window) -> dict[str, Any]:
    """Return what a window says of an alert's subject."""
    parts = {one["segment"]: one for one in window.segments or ()}
    subject, segment = parted(alert.subject, parts)
    of = parts.get(segment, {})
    metrics = {
        AlertKind.MATHEMATICAL: of.get("metrics", window.metrics),
        AlertKind.ESTIMATED: window.estimated,
        AlertKind.CONCEPT: [{"name": one["subject"], **one} for one in window.concept],
        AlertKind.FAIRNESS: sorted(window.fairness or (), key=lambda one: -one["certain"]),
    }.get(alert.kind)
    business = alert.kind is AlertKind.BUSINESS
    kpi = next((item for item in window.kpis if business and item["key"] == alert.subject), None)
    measured = of.get("variables", window.variables) if metrics is None else metrics
    mine = next((item for item in measured if item["name"] == subject), None)
    return {
        "since": window.since,
        "until": window.until,
        "n": of.get("n", window.n),
        "variable": mine if metrics is None and not business else None,
        "metric": None if metrics is None else mine,
        "kpi": kpi,
        "labelled": of.get("labelled", window.labelled),
        "accuracy": of.get("accuracy", window.accuracy),
        "degraded": None if segment else window.degraded,
        "matures_at": window.matures_at,
        "before": of.get("before"),
        "left_out": of.get("left_out", 0) if segment else None,
    }


def following(alert: Alert, episode: Episode, shown: dict[str, Any]) -> list[str]:
    """Return the calls that follow, those that this state allows first."""
    version = f"/v1/models/{shown['model']}/versions/{shown['version']}"
    open_to = {
        State.FIRING: ("acknowledge", "resolve"),
        State.ACKNOWLEDGED: ("resolve",),
        State.RESOLVED: (),
    }[episode.state]
    return [
        *(f"POST /v1/alerts/{alert.id}:{verb}" for verb in open_to),
        f"GET {version}/drift",
        *(_of_kpi(shown) if alert.kind is AlertKind.BUSINESS else ()),
        "POST /v1/procedures",
        "POST /v1/silences",
    ]


def _of_kpi(shown: dict[str, Any]) -> tuple[str, ...]:
    """Return what follows a missed KPI: how it stands, and a look at the version by a validator."""
    point, whose = shown["decision_point"], f"model={shown['model']}&version={shown['version']}"
    return f"GET /v1/decision-points/{point}/kpis:measure?{whose}", "POST /v1/validations"
