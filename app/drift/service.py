from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, gates, identity, telemetry
from app.drift import hearing, lapsing
from app.drift.rules import Thresholds
from app.drift.tables import Alert, Monitor, Window
from app.kit.actor import Actor
from app.kit.canonical import digest as digest_of
from app.kit.page import Rows
from app.kit.revision import require_condition
from app.platform.db import page


async def edit_monitor(
    session: AsyncSession,
    key: str,
    *,
    expected: int | None,
    settings: dict[str, Any],
    tell: Sequence[Mapping[str, Any]] = (),
    reason: str,
    by: Actor,
) -> Monitor | gates.Change:
    """Say how a point is watched, or ask for it where monitors are under change control."""
    point = await catalog.point_by_key(session, key, by=by, lock=True)
    roles = await gates.roles_at(session, point.id, by=by)
    await identity.require_right(session, by, identity.Action.EDIT_MONITOR, point=key, roles=roles)
    for variable in settings["fairness"]:
        telemetry.require_declared(point, variable)
    # The release before knows none of these: it reads what is chosen of them only.
    settings = _chosen(settings, _NEW)
    found = await session.get(Monitor, (by.tenant_id, point.id))
    if found is not None:
        require_condition(expected, found.revision)
    hearers = await hearing.resolved(session, tell, by=by)
    heard = await hearing.hearers_of(session, by.tenant_id, point.id)
    # Of who hears it speaks only where somebody is named, or was.
    named = bool(hearers or heard)
    before = found.settings if found else None
    change = await gates.propose(
        session, identity.Governed.MONITOR, f"monitor of {key}",
        expected=expected, before={**(before or {}), "tell": heard} if named else before,
        after={"point": key, "settings": settings, **({"tell": hearers} if named else {})},
        scope={"point": key}, reason=reason, by=by,
    )  # fmt: skip
    return change or await set_monitor(
        session, key, expected=expected, settings=settings, hearers=hearers, by=by
    )


async def apply_monitor(session: AsyncSession, event: gates.ChangeApproved) -> None:
    """Carry out an approved change of a monitor."""
    if event.kind == identity.Governed.MONITOR and "settings" in event.after:
        author = await identity.acting(session, event.tenant_id, event.requester_id)
        asked = event.after
        await set_monitor(
            session, asked["point"], expected=event.expected, settings=asked["settings"],
            hearers=asked.get("tell", []), by=author,
        )  # fmt: skip


async def set_monitor(
    session: AsyncSession,
    key: str,
    *,
    expected: int | None,
    settings: dict[str, Any],
    hearers: list[dict[str, Any]],
    by: Actor,
) -> Monitor:
    """Say how a decision point's traffic is watched from now on."""
    point = await catalog.point_by_key(session, key, by=by, lock=True)
    monitor = await session.get(Monitor, (by.tenant_id, point.id))
    if monitor is None:
        monitor = Monitor(tenant_id=by.tenant_id, point_id=point.id, settings=settings)
        session.add(monitor)
    else:
        require_condition(expected, monitor.revision)
        monitor.settings = settings
        monitor.revision += 1
    await session.flush()
    await audit.record(session, by, "monitor.set", f"point:{point.id}", **settings)
    await hearing.set_hearers(session, point, hearers, by=by)
    await lapsing.lapse(session, by.tenant_id, point.id, by=by)
    return monitor


async def monitor_of(session: AsyncSession, key: str, *, by: Actor) -> tuple[dict[str, Any], int]:
    """Return how a point is watched and the setting's revision, 0 for the defaults."""
    point = await catalog.point_by_key(session, key, by=by)
    monitor = await session.get(Monitor, (by.tenant_id, point.id))
    limits = Thresholds(**monitor.settings) if monitor else Thresholds()
    tell = await hearing.shown(session, by.tenant_id, point.id)
    return {**asdict(limits), "tell": tell}, monitor.revision if monitor else 0


async def thresholds(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> Thresholds:
    """Return a point's monitor settings, or the defaults."""
    monitor = await session.get(Monitor, (tenant_id, point_id))
    return Thresholds(**monitor.settings) if monitor else Thresholds()


async def monitor_in_force(session: AsyncSession, asked: gates.MonitorInForce) -> dict[UUID, str]:
    """Return a digest over how each point is watched, for what approvals cover."""
    rows = await session.scalars(
        select(Monitor).where(Monitor.tenant_id == asked.tenant_id, Monitor.point_id.in_(asked.ids))
    )
    limits = dict.fromkeys(asked.ids, Thresholds())
    limits |= {row.point_id: Thresholds(**row.settings) for row in rows}
    return {point_id: digest_of(_terms(found)) for point_id, found in limits.items()}


_NEW = (
    "segments", "fairness", "fairness_tolerance", "label_delay_hours",
    "drift_against", "business_against",
)  # fmt: skip
_LATER = ("metrics", "window_events", *_NEW)
"""Settings that there were not always."""


def _terms(limits: Thresholds) -> dict[str, Any]:
    """Return settings as approvals cover them: what came later counts where it was chosen."""
    return _chosen(asdict(limits), _LATER)


def _chosen(settings: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return settings without those of ``names`` that are the defaults."""
    plain = asdict(Thresholds())
    return {
        name: value
        for name, value in settings.items()
        if name not in names or _plain(value) != _plain(plain[name])
    }


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


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
    if by.points is not None:
        query = query.where(Window.point_id.in_(catalog.ids_of(by.tenant_id, by.points)))
    return await page(
        session, query, Window.until, Window.id, cursor=cursor, limit=limit, newest_first=True
    )


async def list_alerts(
    session: AsyncSession,
    model: str,
    number: int,
    *,
    cursor: str | None,
    limit: int,
    by: Actor,
) -> Rows[Alert]:
    """List a version's alerts in order of event time."""
    version = await catalog.find_version(session, model, number, by=by)
    query = select(Alert).filter_by(tenant_id=by.tenant_id, version_id=version.id)
    return await page(
        session, query, Alert.until, Alert.subject, Alert.id, cursor=cursor, limit=limit
    )
