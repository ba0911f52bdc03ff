"""Silences: what is not told for a while. They mute; they stop no recording and no gate."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Exists, ScalarSelect, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app import audit, catalog, gates, identity
from app.drift.alert_rules import AlertKind, SilenceOver, SilencesEverything
from app.drift.alert_tables import Silence
from app.drift.tables import Alert
from app.kit.actor import Actor
from app.kit.page import Rows
from app.kit.refusal import NotFound
from app.platform.db import clock, page


def _in_force() -> ColumnElement[bool]:
    return Silence.ended_at.is_(None) & (Silence.until > func.clock_timestamp())


def _matches(mine: InstrumentedAttribute[Any], its: InstrumentedAttribute[Any]) -> Any:
    return mine.is_(None) | (mine == its)


def _of_alert() -> tuple[ColumnElement[bool], ...]:
    """Return what a silence in force is found by, of a row of Alert and its catalog.Version."""
    return (
        Silence.tenant_id == Alert.tenant_id,
        _in_force(),
        _matches(Silence.point_id, Alert.point_id),
        _matches(Silence.model_id, catalog.Version.model_id),
        _matches(Silence.version_id, Alert.version_id),
        _matches(Silence.kind, Alert.kind),
        _matches(Silence.subject, Alert.subject),
    )


def muting() -> Exists:
    """Return whether a silence in force matches a row of Alert and its catalog.Version."""
    return exists().where(*_of_alert()).correlate(Alert, catalog.Version)


def muted_until() -> ScalarSelect[datetime]:
    """Return when the last silence in force that matches such a row ends; null, if none does."""
    query = select(func.max(Silence.until)).where(*_of_alert())
    return query.correlate(Alert, catalog.Version).scalar_subquery()


async def muted(session: AsyncSession, tenant_id: UUID, alert_ids: set[UUID]) -> set[UUID]:
    """Return which of some alerts a silence in force matches."""
    found = await session.scalars(
        select(Alert.id)
        .join(
            catalog.Version,
            (catalog.Version.tenant_id == Alert.tenant_id)
            & (catalog.Version.id == Alert.version_id),
        )
        .where(Alert.tenant_id == tenant_id, Alert.id.in_(alert_ids), muting())
    )
    return set(found)


async def silence(
    session: AsyncSession,
    *,
    point_key: str | None,
    model: str | None,
    number: int | None,
    kind: AlertKind | None,
    subject: str | None,
    reason: str,
    hours: int,
    by: Actor,
) -> Silence:
    """Mute what matches for so many hours by the database's clock."""
    if {point_key, model, kind, subject} == {None}:
        raise SilencesEverything("The silence names nothing.")
    await _require_right(session, point_key, by=by)
    point = await catalog.point_by_key(session, point_key, by=by) if point_key else None
    model_id = version_id = None
    if model is not None:
        model_id = (await catalog.model_of(session, model, by=by)).id
        if number is not None:
            version_id = (await catalog.find_version(session, model, number, by=by)).id
    now = await clock(session)
    row = Silence(
        tenant_id=by.tenant_id,
        point_id=point.id if point else None,
        model_id=model_id,
        version_id=version_id,
        kind=kind,
        subject=subject,
        reason=reason,
        silenced_by=by.person_id,
        at=now,
        until=now + timedelta(hours=hours),
    )
    session.add(row)
    await session.flush()
    await audit.record(
        session, by, "silence.begun", f"silence:{row.id}",
        silence=row.id, point_id=row.point_id, model_id=model_id, version_id=version_id,
        kind=kind, subject=subject, until=row.until, personal={"reason": reason},
    )  # fmt: skip
    return row


async def end_silence(session: AsyncSession, silence_id: UUID, *, by: Actor) -> Silence:
    """Let be told again what a silence mutes, before its time is up."""
    row = await session.get(Silence, (by.tenant_id, silence_id))
    point = await _point_of(session, row)
    if row is None or (by.points is not None and (point is None or point not in by.points)):
        raise NotFound("silence", silence_id)
    await session.refresh(row, with_for_update=True)
    await _require_right(session, point, by=by)
    now = await clock(session)
    if row.ended_at is not None or row.until <= now:
        raise SilenceOver("The silence ended before.")
    row.ended_at, row.ended_by = now, by.person_id
    await session.flush()
    await audit.record(session, by, "silence.ended", f"silence:{row.id}", silence=row.id)
    return row


async def _point_of(session: AsyncSession, row: Silence | None) -> str | None:
    if row is None or row.point_id is None:
        return None
    return (await catalog.point_by_id(session, row.tenant_id, row.point_id)).key


async def _require_right(session: AsyncSession, point_key: str | None, *, by: Actor) -> None:
    roles = None
    if point_key is not None:
        point = await catalog.point_by_key(session, point_key, by=by)
        roles = await gates.roles_at(session, point.id, by=by)
    await identity.require_right(
        session, by, identity.Action.EDIT_MONITOR, point=point_key, roles=roles
    )


async def list_silences(
    session: AsyncSession, *, active: bool | None, cursor: str | None, limit: int, by: Actor
) -> Rows[Silence]:
    """List silences, newest first; a key for some points sees those that name one of them."""
    query = select(Silence).filter_by(tenant_id=by.tenant_id)
    if active is not None:
        query = query.where(_in_force() if active else ~_in_force())
    if by.points is not None:
        query = query.where(Silence.point_id.in_(catalog.ids_of(by.tenant_id, by.points)))
    return await page(
        session, query, Silence.at, Silence.id, cursor=cursor, limit=limit, newest_first=True
    )


async def shown(
    session: AsyncSession, tenant_id: UUID, rows: list[Silence]
) -> list[dict[str, Any]]:
    """Return silences under the names of what they mute."""
    now = await clock(session)
    points = await catalog.points_by_id(
        session, tenant_id, {row.point_id for row in rows if row.point_id}
    )
    models = {
        row[0]: row[1]
        for row in await session.execute(
            select(catalog.Model.id, catalog.Model.name).where(
                catalog.Model.tenant_id == tenant_id,
                catalog.Model.id.in_({row.model_id for row in rows}),
            )
        )
    }
    versions = await catalog.versions_by_id(
        session, tenant_id, {row.version_id for row in rows if row.version_id}
    )
    return [
        {
            "id": row.id,
            "decision_point": points[row.point_id].key if row.point_id else None,
            "model": models[row.model_id] if row.model_id else None,
            "version": versions[row.version_id][1].number if row.version_id else None,
            "kind": row.kind,
            "subject": row.subject,
            "reason": row.reason,
            "active": row.ended_at is None and row.until > now,
            "silenced_by": row.silenced_by,
            "at": row.at,
            "until": row.until,
            "ended_at": row.ended_at,
            "ended_by": row.ended_by,
        }
        for row in rows
    ]
