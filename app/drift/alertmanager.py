"""Alertmanager is told what fires, every so often, as Prometheus tells it.

What it is told again and again it keeps; what it is no longer told it lets go, so that a server
that has died leaves no alert behind for ever. So each alert is sent with an end some time away,
and with its real one once it is resolved. To Alertmanager that end is one, whoever was away: the
time is longer than outages mostly are. No database session is open meanwhile.

It knows an alert by its labels. One that is more, or less, severe now is another to it, and the one
that it was before is told to be over.

What was told and is silenced since goes on to be sent: what is no longer sent is over, to
Alertmanager, and it would say so. It is told to be quiet about it instead.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, identity
from app.drift import alert_rules as rules
from app.drift import silences
from app.drift.alert_tables import Episode
from app.drift.quieting import Quiet, Quieting
from app.drift.tables import Alert
from app.platform.db import ALL_TENANTS, Database, clock
from app.platform.outbound import Outbound, OutboundFailed, OutboundRefused

logger = logging.getLogger(__name__)

EVERY_SECONDS = 15
PATH = "/api/v2/alerts"
ALERT_NAMES = {
    rules.AlertKind.DATA: "ModelwardDataDrift",
    rules.AlertKind.PREDICTION: "ModelwardPredictionDrift",
    rules.AlertKind.MATHEMATICAL: "ModelwardAccuracyDegraded",
    rules.AlertKind.ESTIMATED: "ModelwardEstimateDegraded",
    rules.AlertKind.CONCEPT: "ModelwardConceptDrift",
    rules.AlertKind.FAIRNESS: "ModelwardUnequalTreatment",
    rules.AlertKind.BUSINESS: "ModelwardBusinessDrift",
}
_RESOLVED = timedelta(minutes=15)
"""So long is sent, as Prometheus does, that something is over."""
_BATCH = 500
_ANSWER_BYTES = 1 << 20
_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Posted:
    """An episode as it is sent: what Alertmanager's API v2 calls a postable alert."""

    alert_id: UUID
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime
    ends_at: datetime
    quiet_until: datetime | None
    """When the last silence of what fires is over, if there is one."""

    def body(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "labels": self.labels,
            "annotations": self.annotations,
            "startsAt": self.starts_at.isoformat(),
            "endsAt": self.ends_at.isoformat(),
        }


class Alertmanager:
    """The way to one Alertmanager."""

    def __init__(self, url: str, outbound: Outbound, stands: timedelta) -> None:
        outbound.check(url)
        self._stands = stands
        self._url = url.rstrip("/") + PATH
        self._outbound = outbound
        self._quieting = Quieting(url, outbound)
        self._before: dict[UUID, Posted] = {}
        """What was sent last of each, by this worker."""

    async def push(self, database: Database) -> None:
        """Send every tenant's alerts that fire, and those that were resolved lately."""
        async with database.session(ALL_TENANTS) as session:
            found = await standing(session, self._stands)
            now = await clock(session)
        if not found:
            self._before = {}
            return
        quiet = [
            Quiet(posted.alert_id, posted.labels, posted.quiet_until)
            for posted in found
            if posted.quiet_until is not None
        ]
        await self._quieting.settle(quiet, known={posted.alert_id for posted in found}, now=now)
        # First what they were: who is told of both at once hears last what they are.
        every = [*self._others(found, now), *found]
        parts = [every[begin : begin + _BATCH] for begin in range(0, len(every), _BATCH)]
        if all([await self._post(part) for part in parts]):
            self._before = {one.alert_id: one for one in found}

    def _others(self, found: Sequence[Posted], now: datetime) -> list[Posted]:
        """Return what was sent under other labels before, as over."""
        before = ((self._before.get(one.alert_id), one) for one in found)
        return [
            replace(was, ends_at=max(now, was.starts_at))
            for was, one in before
            if was is not None and was.labels != one.labels
        ]

    async def _post(self, some: Sequence[Posted]) -> bool:
        """Send some; say whether they were taken."""
        body = orjson.dumps([posted.body() for posted in some])
        headers = {"Content-Type": "application/json", "User-Agent": "Modelward"}
        try:
            answer = await self._outbound.fetch(
                "POST", self._url, headers=headers, body=body,
                limit=_ANSWER_BYTES, seconds=_SECONDS,
            )  # fmt: skip
        except (OutboundFailed, OutboundRefused) as error:
            logger.warning("Alertmanager was not reached", extra={"reason": error.detail})
            return False
        if answer.status // 100 != 2:  # noqa: PLR2004 - as RFC 9110 sorts them
            said = answer.body[:300].decode("utf-8", "replace")
            logger.warning(
                "Alertmanager refused alerts", extra={"status": answer.status, "said": said}
            )
            return False
        return True


async def standing(session: AsyncSession, stands: timedelta) -> list[Posted]:
    """Return what Alertmanager is to know now: all that fires, or did lately, and was told.

    What fires is believed for as long as it ``stands`` without being sent again.
    """
    now = await clock(session)
    lately = func.clock_timestamp() - _RESOLVED
    rows = await session.execute(
        select(
            Alert, Episode, catalog.Model, catalog.Version, catalog.DecisionPoint.key,
            silences.muted_until(),
        )
        .join(Episode, (Episode.tenant_id == Alert.tenant_id) & (Episode.alert_id == Alert.id))
        .join(
            catalog.Version,
            (catalog.Version.tenant_id == Alert.tenant_id)
            & (catalog.Version.id == Alert.version_id),
        )
        .join(
            catalog.Model,
            (catalog.Model.tenant_id == catalog.Version.tenant_id)
            & (catalog.Model.id == catalog.Version.model_id),
        )
        .join(
            catalog.DecisionPoint,
            (catalog.DecisionPoint.tenant_id == Alert.tenant_id)
            & (catalog.DecisionPoint.id == Alert.point_id),
        )
        .where(
            Episode.told_at.is_not(None),
            Episode.state.in_(rules.STANDING) | (Episode.resolved_at > lately),
        )
        # One that fires anew comes after what was over, under the same labels.
        .order_by(Episode.alert_id, Episode.number)
    )  # fmt: skip
    names = {id_: name for name, id_ in (await identity.tenants(session)).items()}
    newest: dict[UUID, Posted] = {}
    for alert, episode, model, version, point, until in rows:
        newest[alert.id] = _posted(
            alert, episode, model.name, version.number, point, names[alert.tenant_id],
            now + stands, until,
        )  # fmt: skip
    return list(newest.values())


def _posted(
    alert: Alert,
    episode: Episode,
    model: str,
    number: int,
    point: str,
    tenant: str,
    believed_until: datetime,
    muted_until: datetime | None,
) -> Posted:
    until = muted_until if episode.state in rules.STANDING else None
    return Posted(
        alert_id=alert.id,
        labels={
            "alertname": ALERT_NAMES[alert.kind],
            "tenant": tenant,
            "decision_point": point,
            "model": model,
            "version": str(number),
            "kind": alert.kind.value,
            "subject": alert.subject,
            "severity": episode.severity.value,
        },
        annotations={
            "summary": f"{alert.subject} of {model}@{number} at {point} is out of its bounds.",
            "window_end": episode.since.isoformat(),
            "next": f"GET /v1/alerts/{alert.id}",
            **({"silenced_until": until.isoformat()} if until else {}),
        },
        starts_at=episode.at,
        ends_at=episode.resolved_at or believed_until,
        quiet_until=until,
    )
