"""What should run at a point's targets, as its seats say, and what is reported to run there."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, true
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app import catalog, gates, routing
from app.activation import targets
from app.activation.convergence import (
    Duty,
    Place,
    Running,
    Sync,
    Told,
    Wanted,
    deployment,
    judged,
    lacking,
    left_over,
    sync_of,
    worst,
)
from app.activation.tables import Report, Target
from app.catalog import Stage
from app.kit.actor import Actor
from app.kit.canonical import digest as digest_of
from app.platform.db import clock
from app.routing import SeatRole

_GONE = frozenset({Stage.RETIRED, Stage.RETURNED})
_SILENCE = func.make_interval(0, 0, 0, 0, 0, 0, Target.stale_after_seconds)
Because = tuple[Duty, str, str | None, datetime, datetime | None]


async def wanted_at(session: AsyncSession, point: catalog.DecisionPoint) -> list[Wanted]:
    """Return what every target of a point should have: who decides serves, who may is warm.

    Whom a rollback would go back to is kept warm for a while, so that it finds it running; a
    version whose activation is open is warmed up for its swap.
    """
    found: dict[UUID, Because] = {}
    champion: routing.Seat | None = None
    for seat in await session.scalars(
        select(routing.Seat)
        .filter_by(tenant_id=point.tenant_id, point_id=point.id, until=None)
        .order_by(routing.Seat.role, routing.Seat.since)
    ):
        champion = seat if seat.role is SeatRole.CHAMPION else champion
        found[seat.version_id] = (Duty.SERVING, seat.role.value, seat.endpoint, seat.since, None)
    if champion is not None:
        await _keep_warm(session, point, champion, found)
    for case in await session.scalars(
        select(gates.Case)
        .filter_by(
            tenant_id=point.tenant_id, point_id=point.id, kind=gates.CaseKind.ACTIVATION,
            closed_at=None, result=None,
        )
        .order_by(gates.Case.opened_at)
    ):  # fmt: skip
        endpoint = case.details.get("endpoint")
        warm: Because = (Duty.WARM, "activation", endpoint, case.opened_at, None)
        found.setdefault(case.version_id, warm)
    versions = await catalog.versions_by_id(session, point.tenant_id, set(found))
    return [
        Wanted(
            version_id=version_id,
            model=versions[version_id][0].name,
            version=versions[version_id][1].number,
            digest=versions[version_id][1].digest,
            endpoint=endpoint,
            state=duty,
            because=because,
            since=since,
            until=until,
        )
        for version_id, (duty, because, endpoint, since, until) in found.items()
        if duty is Duty.SERVING or versions[version_id][1].stage not in _GONE
    ]


async def _keep_warm(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    champion: routing.Seat,
    found: dict[UUID, Because],
) -> None:
    """Keep whom a rollback would go back to warm, so long after the swap."""
    before = (await routing.succession_of(session, point.tenant_id, point.id)).back()
    if before is None:
        return
    terms = await targets.terms_of(session, point)
    until = champion.since + timedelta(minutes=terms.keep_warm_minutes)
    if until > await clock(session):
        warm: Because = (Duty.WARM, "previous_champion", before.endpoint, before.since, until)
        found.setdefault(before.version_id, warm)


async def places_of(
    session: AsyncSession, point: catalog.DecisionPoint, versions: set[UUID]
) -> list[Place]:
    """Return a point's targets with the newest reports of ``versions``, and with fresh others."""
    rows = await targets.targets_of(session, point)
    ids = {target.id for target in rows}
    told: dict[UUID, dict[UUID, Told]] = {target.id: {} for target in rows}
    if not ids:
        return []
    recent = (
        select(Report)
        .join(Target, (Target.tenant_id == Report.tenant_id) & (Target.id == Report.target_id))
        .where(
            Report.tenant_id == point.tenant_id,
            Report.target_id.in_(ids),
            Report.at > func.clock_timestamp() - _SILENCE,
        )
        .ext(distinct_on(Report.target_id, Report.version_id))
        .order_by(Report.target_id, Report.version_id, Report.at.desc(), Report.id.desc())
    )
    newest = (
        select(Report)
        .where(
            Report.tenant_id == Target.tenant_id,
            Report.target_id == Target.id,
            Report.version_id == catalog.Version.id,
        )
        .order_by(Report.at.desc(), Report.id.desc())
        .limit(1)
        .lateral()
    )
    asked = (
        select(aliased(Report, newest))
        .select_from(Target)
        .join(catalog.Version, catalog.Version.tenant_id == Target.tenant_id)
        .join(newest, true())
        .where(
            Target.tenant_id == point.tenant_id,
            Target.id.in_(ids),
            catalog.Version.id.in_(versions),
        )
    )
    reports = [*await session.scalars(recent), *await session.scalars(asked)]
    known = await catalog.versions_by_id(
        session, point.tenant_id, {report.version_id for report in reports}
    )
    for report in reports:
        told[report.target_id][report.version_id] = Told(
            version_id=report.version_id,
            digest=report.digest,
            state=report.state,
            at=report.at,
            independent=report.reporter_id != known[report.version_id][1].developer_id,
        )
    return [
        Place(
            name=target.name,
            required=target.required,
            stale_after=timedelta(seconds=target.stale_after_seconds),
            since=target.created_at,
            told=told[target.id],
        )
        for target in rows
    ]


async def running_at(
    session: AsyncSession, version: catalog.Version
) -> list[tuple[Target, catalog.DecisionPoint, Running]]:
    """Return the targets, of whatever point, whose fresh newest report says they have a version."""
    newest = (
        select(Report)
        .where(
            Report.tenant_id == Target.tenant_id,
            Report.target_id == Target.id,
            Report.version_id == version.id,
        )
        .order_by(Report.at.desc(), Report.id.desc())
        .limit(1)
        .lateral()
    )
    last = aliased(Report, newest)
    rows = await session.execute(
        select(Target, catalog.DecisionPoint, last.state)
        .join(
            catalog.DecisionPoint,
            (catalog.DecisionPoint.tenant_id == Target.tenant_id)
            & (catalog.DecisionPoint.id == Target.point_id),
        )
        .join(newest, true())
        .where(
            Target.tenant_id == version.tenant_id,
            Target.removed_at.is_(None),
            last.state.not_in([Running.STOPPED, Running.FAILED]),
            last.at > func.clock_timestamp() - _SILENCE,
        )
        .order_by(catalog.DecisionPoint.key, Target.name)
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def desired(session: AsyncSession, key: str, name: str, *, by: Actor) -> dict[str, Any]:
    """Return what one target should have; ``generation`` changes when any of it does."""
    point = await catalog.point_by_key(session, key, by=by)
    target = await targets.target_of(session, point, name)
    versions = [_shown(item) for item in await wanted_at(session, point)]
    return {
        "decision_point": key,
        "target": target.name,
        "generation": digest_of([target.name, versions]),
        "versions": versions,
    }


def _shown(item: Wanted) -> dict[str, Any]:
    return {
        "version_id": item.version_id,
        "model": item.model,
        "version": item.version,
        "digest": item.digest,
        "endpoint": item.endpoint,
        "state": item.state,
        "because": item.because,
        "until": item.until,
    }


async def overview(session: AsyncSession, key: str, *, by: Actor) -> dict[str, Any]:
    """Return what is desired beside what is reported, by target."""
    point = await catalog.point_by_key(session, key, by=by)
    wanted = await wanted_at(session, point)
    places = await places_of(session, point, {item.version_id for item in wanted})
    now = await clock(session)
    others = {told.version_id for place in places for told in left_over(wanted, place, now)}
    names = await catalog.versions_by_id(session, by.tenant_id, others)
    found: list[dict[str, Any]] = []
    for place in places:
        rows: list[dict[str, Any]] = [
            {
                **_shown(item),
                "sync": sync_of(item, place, now),
                "reported": _reported(place, item.version_id, now),
            }
            for item in wanted
        ]
        rows += [
            {
                "version_id": told.version_id,
                "model": names[told.version_id][0].name,
                "version": names[told.version_id][1].number,
                "digest": names[told.version_id][1].digest,
                "endpoint": None,
                "state": Duty.NONE,
                "because": "left_over",
                "until": None,
                "sync": Sync.DRIFTED,
                "reported": _reported(place, told.version_id, now),
            }
            for told in left_over(wanted, place, now)
        ]
        state = worst(row["sync"] for row in rows)
        found.append(
            {"target": place.name, "required": place.required, "sync": state, "versions": rows}
        )
    return {
        "decision_point": key,
        "sync": worst(item["sync"] for item in found),
        "targets": found,
    }


def _reported(place: Place, version_id: UUID, now: datetime) -> dict[str, Any] | None:
    told = place.told.get(version_id)
    if told is None:
        return None
    return {
        "state": told.state,
        "digest": told.digest,
        "at": told.at,
        "stale": not place.fresh(told, now),
    }


async def facts_of(
    session: AsyncSession, point: catalog.DecisionPoint, version: catalog.Version
) -> dict[str, Any] | None:
    """Return the facts of a version's deployment at a point; nothing where it has no targets."""
    places = await places_of(session, point, {version.id})
    if not places:
        return None
    return deployment(version.digest, version.id, places, await clock(session))


async def unready(
    session: AsyncSession, point: catalog.DecisionPoint, version: catalog.Version
) -> dict[str, str]:
    """Return which required targets could not answer with a version at once, and why."""
    places = await places_of(session, point, {version.id})
    return await _lacking(session, version, [place for place in places if place.required])


async def cold(
    session: AsyncSession, point: catalog.DecisionPoint, version: catalog.Version
) -> dict[str, str] | None:
    """Return where a version is not kept warm; nothing where the point has no targets."""
    places = await places_of(session, point, {version.id})
    return await _lacking(session, version, judged(places)) if places else None


async def cold_at(
    session: AsyncSession, key: str, version_id: UUID, *, by: Actor
) -> dict[str, str] | None:
    """Return the same by a point's key and a version's id."""
    point = await catalog.point_by_key(session, key, by=by)
    version = await catalog.version_by_id(session, by.tenant_id, version_id)
    return await cold(session, point, version)


async def _lacking(
    session: AsyncSession, version: catalog.Version, places: list[Place]
) -> dict[str, str]:
    now = await clock(session)
    why = {place.name: lacking(version.digest, version.id, place, now) for place in places}
    return {name: reason for name, reason in why.items() if reason is not None}
