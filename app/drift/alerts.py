"""Alerts as windows move them: they fire, worsen, recover, and fire anew.

Whoever calls holds the watch of the version at the point: nobody else moves its alerts by windows
meanwhile. People move them too, so an episode is locked before it is looked at.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app import audit
from app.drift import alert_rules as rules
from app.drift import saying, telling
from app.drift.alert_rules import Happening, Severity, State
from app.drift.alert_tables import Episode
from app.drift.rules import Thresholds
from app.drift.tables import Alert, Window
from app.drift.tenure import Serving, Tenure
from app.kit.actor import Actor
from app.platform.events import ask


async def settle(session: AsyncSession, windows: Sequence[Window], limits: Thresholds) -> bool:
    """Move the alerts of a version at a point as its newest window asks; oldest window first.

    Of a version that has no seat none fires, nor fires worse, whatever comes late of its time. Says
    whether any moved: then the version's entries in the log are held until the commit.
    """
    moved = False
    newest = windows[-1]
    seen = saying.histories(windows, limits)
    lasting = saying.lasting(seen, limits, agreed={row["key"] for row in newest.kpis})
    rows = await session.scalars(
        select(Alert).filter_by(
            tenant_id=newest.tenant_id, point_id=newest.point_id, version_id=newest.version_id
        )
    )
    known = {(alert.kind, alert.subject): alert for alert in rows}
    episodes = await newest_of(session, newest.tenant_id, {row.id for row in known.values()})
    place = newest.tenant_id, newest.point_id, newest.version_id
    tenure = Tenure(serves=True)
    if lasting and (found := await ask(session, Serving(*place))) is not None:
        tenure, lasting = found, lasting if found.serves else {}
    for subject, severity in sorted(lasting.items(), key=lambda item: item[0][1]):
        alert = known.get(subject)
        last = episodes.get(alert.id) if alert else None
        if rules.begins_anew(last.state if last else None, Happening.BEYOND):
            begun = saying.begun(*saying.about(seen, subject), limits, last, tenure)
            if begun is None:
                continue
            if alert is None:
                alert = await _enter(session, newest, subject, begun.since)
            number = last.number + 1 if last else 1
            await fire(session, alert, number=number, severity=begun.severity, since=begun.since)
            moved = True
        elif alert is not None and last is not None and severity.rank > last.severity.rank:
            await become(session, alert, last, Happening.WORSENED, severity)
            moved = True
    for subject, alert in known.items():
        last = episodes.get(alert.id)
        if last is None or last.state not in rules.STANDING:
            continue
        history, own = saying.about(seen, subject)
        remains = rules.left(history, own, limits, last.since, last.severity)
        moved |= await _come_down(session, alert, last, remains)
    return moved


def is_newest() -> ColumnElement[bool]:
    """Return whether a row of Episode is the last of its alert's."""
    later = aliased(Episode)
    return ~exists().where(
        later.tenant_id == Episode.tenant_id,
        later.alert_id == Episode.alert_id,
        later.number > Episode.number,
    )


async def newest_of(
    session: AsyncSession, tenant_id: UUID, alert_ids: set[UUID]
) -> dict[UUID, Episode]:
    """Return the newest episode of each alert that has one, locked."""
    query = select(Episode).where(
        Episode.tenant_id == tenant_id, Episode.alert_id.in_(alert_ids), is_newest()
    )
    rows = await session.scalars(
        query.order_by(Episode.id)
        .with_for_update(of=Episode)
        .execution_options(populate_existing=True)
    )
    found = {row.alert_id: row for row in rows}
    for row in found.values():
        if row.told_at is not None and row.told_severity is None:
            # The release before says only that it was told, as it stands until something moves it.
            row.told_severity, row.told_state = row.severity, row.state
    return found


async def _enter(
    session: AsyncSession, window: Window, subject: rules.Subject, until: datetime
) -> Alert:
    """Put down the first window in which something had left its bounds for good."""
    kind, name = subject
    alert = Alert(
        tenant_id=window.tenant_id,
        point_id=window.point_id,
        version_id=window.version_id,
        kind=kind,
        subject=name,
        until=until,
    )
    session.add(alert)
    await session.flush()
    return alert


async def fire(
    session: AsyncSession, alert: Alert, *, number: int, severity: Severity, since: datetime
) -> Episode:
    """Begin an episode, and tell of it unless it is silenced."""
    episode = Episode(
        tenant_id=alert.tenant_id,
        alert_id=alert.id,
        number=number,
        severity=severity,
        state=State.FIRING,
        since=since,
        fired_at=func.clock_timestamp(),
        worst=severity,
    )
    session.add(episode)
    await session.flush()
    await audit.record(
        session, Actor.system(alert.tenant_id), "alert.raised", f"version:{alert.version_id}",
        alert=alert.id, episode=number, kind=alert.kind, subject=alert.subject,
        severity=severity, until=since,
    )  # fmt: skip
    await telling.tell(session, alert, episode)
    return episode


async def become(
    session: AsyncSession, alert: Alert, episode: Episode, what: Happening, severity: Severity
) -> None:
    """Let an episode be as severe as windows say, worse than before or less so."""
    before, episode.worst = episode.severity, episode.peak
    episode.severity = severity
    episode.worst = episode.peak
    episode.state = rules.move(episode.state, what)
    if what is Happening.WORSENED:
        episode.fired_at = func.clock_timestamp()
    await session.flush()
    await audit.record(
        session, Actor.system(alert.tenant_id), f"alert.{what}", f"version:{alert.version_id}",
        alert=alert.id, episode=episode.number, kind=alert.kind, subject=alert.subject,
        before=before, severity=severity,
    )  # fmt: skip
    await telling.tell(session, alert, episode)


async def _come_down(
    session: AsyncSession, alert: Alert, episode: Episode, remains: Severity | None
) -> bool:
    """End or ease an episode of which less remains; say whether that is so."""
    if remains is None:
        await end(session, alert, episode, Happening.RECOVERED, by=Actor.system(alert.tenant_id))
    elif remains is not episode.severity:
        await become(session, alert, episode, Happening.EASED, remains)
    else:
        return False
    return True


async def end(
    session: AsyncSession,
    alert: Alert,
    episode: Episode,
    what: Happening,
    *,
    by: Actor,
    reason: str | None = None,
    through: datetime | None = None,
) -> None:
    """End an episode; of what was never told, nothing is told now.

    By a word, and not by windows, it ends with what they say ``through`` the newest of them.
    """
    episode.state = rules.move(episode.state, what)
    episode.ending = rules.kept(what)
    episode.resolved_at = func.clock_timestamp()
    episode.resolved_by = by.person_id if what is Happening.RESOLVE else None
    episode.reason = reason
    episode.through = through
    await session.flush()
    await session.refresh(episode)
    over = (rules.ending_of(episode.ending, episode.resolved_by) or episode.ending).value
    await audit.record(
        session, by, "alert.resolved", f"version:{alert.version_id}",
        alert=alert.id, episode=episode.number, kind=alert.kind, subject=alert.subject,
        ending=over, personal={"reason": reason},
    )  # fmt: skip
    if episode.told_at is not None:
        await telling.tell_over(session, alert, episode, ending=over)
