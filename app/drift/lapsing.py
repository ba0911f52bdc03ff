"""Lapsing: an alert ends with what looked at its subject.

By whoever changes that, in the same transaction: a monitor, or a KPI that is withdrawn. What slips
through, a window that was judged by the monitor before at that very moment, a contract that names
a feature no more, what an earlier release left standing, ends when alerts are tended.
"""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, telemetry
from app.drift import alert_rules, alerts, lapsed
from app.drift.alert_rules import Happening
from app.drift.alert_tables import Episode
from app.drift.rules import Thresholds
from app.drift.subjects import parted
from app.drift.tables import Alert, Monitor
from app.kit.actor import Actor
from app.platform.events import Question, ask


@dataclass(frozen=True, slots=True)
class KpisAgreed(Question[Collection[str]]):
    """Which KPIs are agreed on at a point, by key."""

    tenant_id: UUID
    point_id: UUID


async def lapse(session: AsyncSession, tenant_id: UUID, point_id: UUID, *, by: Actor) -> None:
    """End the alerts of a point whose subjects nothing looks at any more."""
    rows = await session.scalars(
        select(Alert)
        .join(Episode, (Episode.tenant_id == Alert.tenant_id) & (Episode.alert_id == Alert.id))
        .where(
            Alert.tenant_id == tenant_id,
            Alert.point_id == point_id,
            Episode.state.in_(alert_rules.STANDING),
        )
        # Versions' entries in the log are held until the commit: all take them in one order.
        .order_by(Alert.version_id, Alert.subject, Alert.id)
    )
    standing = list(rows)
    reasons = await _reasons(session, tenant_id, point_id, standing) if standing else {}
    episodes = await alerts.newest_of(session, tenant_id, set(reasons))
    for alert in standing:
        episode = episodes.get(alert.id)
        if episode is not None and episode.state in alert_rules.STANDING:
            await alerts.end(
                session, alert, episode, Happening.LAPSED, by=by, reason=reasons[alert.id]
            )


async def _reasons(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, standing: Collection[Alert]
) -> dict[UUID, str]:
    """Return of the alerts that have lapsed why they did."""
    monitor = await session.get(Monitor, (tenant_id, point_id))
    limits = Thresholds(**monitor.settings) if monitor else Thresholds()
    declared = await catalog.segments_of(session, tenant_id, point_id)
    agreed = await ask(session, KpisAgreed(tenant_id, point_id))
    parts: set[str] = set()
    if any(alert.subject.endswith("]") for alert in standing):
        series = [one.id for one in await telemetry.series_of(session, tenant_id, point_id)]
        known = await telemetry.segments_of(session, tenant_id, series)
        parts = {f"{one.variable}={one.value}" for one in known}
    found = {}
    for alert in standing:
        about = alert.kind, *parted(alert.subject, parts)
        reason = lapsed.why(*about, limits, declared=declared, agreed=agreed)
        if reason is not None:
            found[alert.id] = reason
    return found
