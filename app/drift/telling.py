"""Telling: who hears of an alert is told what became of it, once no silence is in force."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from app.drift import alert_rules as rules
from app.drift import hearing, silences
from app.drift.alert_rules import Happening
from app.drift.alert_tables import Episode
from app.drift.events import (
    AlertAcknowledged,
    AlertEased,
    AlertRaised,
    AlertResolved,
    AlertTold,
    AlertWorsened,
)
from app.drift.tables import Alert
from app.platform.events import publish

_EVENTS: Mapping[Happening, type[AlertTold]] = {
    Happening.BEYOND: AlertRaised,
    Happening.WORSENED: AlertWorsened,
    Happening.EASED: AlertEased,
    Happening.ACKNOWLEDGE: AlertAcknowledged,
}


async def tell(session: AsyncSession, alert: Alert, episode: Episode) -> None:
    """Tell what became of an episode since it was last told, unless a silence is in force.

    What is not told now is once the silence is over, if it is so still.
    """
    if await silences.muted(session, alert.tenant_id, {alert.id}):
        return
    before, there = episode.told_severity, episode.told_state
    told = None if before is None or there is None else (before, there)
    for what in rules.untold(told, episode.severity, episode.state):
        more: dict[str, Any] = {}
        if what is Happening.BEYOND:
            more["until"] = episode.since
        elif before is not None and what is not Happening.ACKNOWLEDGE:
            more["before"] = before.value
        said = await _said(session, alert, episode)
        await publish(session, _EVENTS[what](**said, **more))
    episode.told_at = episode.told_at or func.clock_timestamp()
    episode.told_severity, episode.told_state = episode.severity, episode.state
    await session.flush()
    await session.refresh(episode, ["told_at"])


async def tell_over(session: AsyncSession, alert: Alert, episode: Episode, *, ending: str) -> None:
    """Tell that an episode is over, silenced or not: who was told of it would wait for that."""
    said = await _said(session, alert, episode)
    await publish(session, AlertResolved(**said, ending=ending))


async def _said(session: AsyncSession, alert: Alert, episode: Episode) -> dict[str, Any]:
    """Return what every event of an alert says, addressed to who heard of it at its worst."""
    where, people = await hearing.addressees(session, alert, episode.peak)
    return {
        "tenant_id": alert.tenant_id,
        "alert_id": alert.id,
        "episode": episode.number,
        "point": where.point,
        "point_id": alert.point_id,
        "version_id": alert.version_id,
        "model": where.model,
        "number": where.number,
        "subject": alert.subject,
        "kind": alert.kind.value,
        "severity": episode.severity.value,
        "worst": episode.peak.value,
        "addressees": people,
    }
