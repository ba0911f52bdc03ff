"""Alerts as facts: what stands of a version at a point, for conditions that ask."""

from collections import Counter
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.drift.alert_rules import STANDING, AlertKind, Severity
from app.drift.alert_tables import Episode
from app.drift.tables import Alert

_MOST = 200
ALERT_WORDS = tuple(word.value for word in (*sorted(STANDING), *Severity, *AlertKind))
"""By what they are counted."""


async def alert_facts(
    session: AsyncSession,
    tenant_id: UUID,
    point_id: UUID,
    version_id: UUID,
    *,
    since: datetime | None = None,
) -> dict[str, Any]:
    """Return how many alerts stand by state, severity and kind, and the newest of them.

    Of all, or of those that have begun to fire, or to fire worse, ``since``.
    What is acknowledged stands as well, and so does what is silenced: a silence keeps an alert from
    being told, and from nothing else.
    """
    fired = func.coalesce(Episode.fired_at, Episode.at)
    later = () if since is None else (fired > since,)
    rows = await session.execute(
        select(Alert.kind, Alert.subject, Episode.severity, Episode.state, Episode.at, fired)
        .join(Episode, (Episode.tenant_id == Alert.tenant_id) & (Episode.alert_id == Alert.id))
        .where(
            Alert.tenant_id == tenant_id,
            Alert.point_id == point_id,
            Alert.version_id == version_id,
            Episode.state.in_(STANDING),
            *later,
        )
        .order_by(fired.desc(), Episode.id.desc())
    )
    found = [
        {
            "kind": kind,
            "subject": subject,
            "severity": severity,
            "state": state,
            "raised_at": at,
            "fired_at": fired_at,
        }
        for kind, subject, severity, state, at, fired_at in rows
    ]
    counted = Counter(one[name] for one in found for name in ("kind", "severity", "state"))
    return {**{word: counted[word] for word in ALERT_WORDS}, "open": found[:_MOST]}
