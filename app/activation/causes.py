"""Causes: what a target was last heard to run, beside the incident that was opened for it.

Somebody may let routing answer all the same, by name. What he accepted stays to be seen until the
target says something else.
"""

from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, routing
from app.activation import strangers, targets
from app.activation.blocking import BLOCKING, held
from app.activation.convergence import UP, Running
from app.activation.tables import Incident, IncidentKind, Report


async def newest_report(
    session: AsyncSession, tenant_id: UUID, target_id: UUID, version_id: UUID
) -> Report | None:
    """Return what was last said of a version at a target."""
    return await session.scalar(
        select(Report)
        .filter_by(tenant_id=tenant_id, target_id=target_id, version_id=version_id)
        .order_by(Report.at.desc(), Report.id.desc())
        .limit(1)
    )


async def stands(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    version: catalog.Version,
    incident: Incident,
) -> bool:
    """Say whether what an incident of those that block was opened for is still what is reported."""
    if incident.kind not in BLOCKING:
        return False
    newest = await newest_report(session, point.tenant_id, incident.target_id, version.id)
    return newest is not None and await _says(session, point, version, newest, incident.kind)


async def _says(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    version: catalog.Version,
    report: Report,
    kind: IncidentKind,
) -> bool:
    if kind is IncidentKind.DIGEST_MISMATCH:
        # What was published without a digest was approved without one.
        wrong = version.digest is not None and report.digest != version.digest
        return report.state in UP and wrong
    if report.state is not Running.SERVING:
        return False
    return not await strangers.was_approved(session, point, version.id)


async def accepted(
    session: AsyncSession, tenant_id: UUID
) -> list[tuple[catalog.DecisionPoint, str]]:
    """Return where routing answers by somebody's word, though a target runs what nobody approved.

    The word ended the incident, or lifted its stop.
    """
    mine = await _last_incidents(session, tenant_id)
    if not mine:
        return []
    places = await targets.targets_by_id(session, tenant_id, {one.target_id for one in mine})
    told = await _last_reports(session, tenant_id, mine)
    points = await catalog.points_by_id(session, tenant_id, {one.point_id for one in mine})
    versions = await catalog.versions_by_id(session, tenant_id, {one.version_id for one in mine})
    stopped = {
        (stop.point_id, stop.version_id, stop.cause)
        for stop in await routing.all_stopped(session, tenant_id)
    }
    seated = await _seated(session, tenant_id, set(points))
    found = []
    for incident in mine:
        target, report = places[incident.target_id], told.get(_about(incident))
        here = (incident.point_id, incident.version_id)
        mismatch = incident.kind is IncidentKind.DIGEST_MISMATCH
        if report is None or target.removed_at is not None or (mismatch and here not in seated):
            continue
        if (incident.point_id, held(incident), incident.kind.value) in stopped:
            continue
        if incident.resolved_at is None and not incident.blocks:
            continue
        point, (model, version) = points[incident.point_id], versions[incident.version_id]
        if await _says(session, point, version, report, incident.kind):
            why = BLOCKING[incident.kind].format(target=target.name)
            found.append((point, f"{why}: {model.name}@{version.number}, accepted by name"))
    return found


def _about(row: Incident | Report) -> tuple[UUID, UUID]:
    return row.target_id, row.version_id


async def _last_incidents(session: AsyncSession, tenant_id: UUID) -> list[Incident]:
    """Return the last incident of each kind that blocks, unless the right report ended it."""
    about = (Incident.target_id, Incident.version_id, Incident.kind)
    rows = await session.scalars(
        select(Incident)
        .where(Incident.tenant_id == tenant_id, Incident.kind.in_(BLOCKING))
        .ext(distinct_on(*about))
        .order_by(*about, Incident.opened_at.desc(), Incident.id.desc())
    )
    return [row for row in rows if row.resolved_at is None or row.resolved_by is not None]


async def _last_reports(
    session: AsyncSession, tenant_id: UUID, incidents: list[Incident]
) -> dict[tuple[UUID, UUID], Report]:
    about = (Report.target_id, Report.version_id)
    rows = await session.scalars(
        select(Report)
        .where(
            Report.tenant_id == tenant_id,
            tuple_(*about).in_({_about(incident) for incident in incidents}),
        )
        .ext(distinct_on(*about))
        .order_by(*about, Report.at.desc(), Report.id.desc())
    )
    return {_about(row): row for row in rows}


async def _seated(
    session: AsyncSession, tenant_id: UUID, point_ids: set[UUID]
) -> set[tuple[UUID, UUID]]:
    rows = await session.execute(
        select(routing.Seat.point_id, routing.Seat.version_id).where(
            routing.Seat.tenant_id == tenant_id,
            routing.Seat.point_id.in_(point_ids),
            routing.Seat.until.is_(None),
        )
    )
    return {(point_id, version_id) for point_id, version_id in rows}
