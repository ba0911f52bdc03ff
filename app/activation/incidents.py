"""Incidents: what is wrong at a target, until the right report or a person ends it."""

from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, identity, routing
from app.activation import causes, strangers, targets
from app.activation.blocking import BLOCKING, block, lift
from app.activation.convergence import UP, Running
from app.activation.events import IncidentAcknowledged, IncidentOpened, IncidentResolved
from app.activation.rules import IncidentClosed, OwnVersion, StillReported
from app.activation.tables import (
    Incident,
    IncidentKind,
    OnMismatch,
    Report,
    Severity,
    Target,
)
from app.identity import Action
from app.kit.actor import Actor
from app.kit.page import Rows
from app.kit.refusal import NotFound
from app.platform.db import page
from app.platform.events import publish

_SEVERITY = {
    IncidentKind.DIGEST_MISMATCH: Severity.CRITICAL,
    IncidentKind.UNAPPROVED_VERSION: Severity.CRITICAL,
    IncidentKind.TARGET_FAILED: Severity.MAJOR,
    IncidentKind.STALE_TARGET: Severity.MINOR,
}


async def examine(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    target: Target,
    version: catalog.Version,
    report: Report,
) -> None:
    """Open what a report shows to be wrong with a version here; end what it shows is right.

    What has a seat must be what was approved and must run; what never had one must not serve. The
    target must be locked: two reports about it are looked at one after the other.
    """
    up = report.state in UP
    stranger = report.state is Running.SERVING and not await strangers.was_approved(
        session, point, version.id
    )
    over = [IncidentKind.STALE_TARGET]
    if up and report.digest == version.digest:
        over += [IncidentKind.DIGEST_MISMATCH, IncidentKind.TARGET_FAILED]
    for incident in await _open_ones(session, target, version.id):
        newer = incident.kind in over and incident.report_id != report.id
        # The very report it was opened for is right once the version is approved.
        approved = incident.kind is IncidentKind.UNAPPROVED_VERSION and not stranger
        if newer or approved:
            await _end(session, incident, point, by=Actor.system(point.tenant_id))
    if stranger and not await strangers.is_asked_for(session, point, version.id):
        facts = await strangers.facts_of(session, point, version, report)
        await open_for(session, point, target, report, IncidentKind.UNAPPROVED_VERSION, facts)
    if await routing.open_seat(session, point.tenant_id, point.id, version.id) is None:
        return
    # What was published without a digest was approved without one.
    if up and version.digest is not None and report.digest != version.digest:
        facts = {
            "approved": version.digest,
            "running": report.digest,
            "running_is": await strangers.known_as(session, point.tenant_id, report.digest),
            "state": report.state,
        }
        await open_for(session, point, target, report, IncidentKind.DIGEST_MISMATCH, facts)
    elif report.state is Running.FAILED:
        facts = {"detail": report.detail, "digest": report.digest}
        await open_for(session, point, target, report, IncidentKind.TARGET_FAILED, facts)


async def open_for(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    target: Target,
    report: Report,
    kind: IncidentKind,
    facts: dict[str, Any],
) -> None:
    """Open an incident that a report calls for."""
    version_id, reporter_id = report.version_id, report.reporter_id
    await open_incident(session, point, target, version_id, kind, facts, report.id, reporter_id)


async def open_incident(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    target: Target,
    version_id: UUID,
    kind: IncidentKind,
    facts: dict[str, Any],
    cause_id: UUID,
    reporter_id: UUID | None,
) -> Incident | None:
    """Open an incident, unless one is open or was resolved that had the same cause."""
    system = Actor.system(point.tenant_id)
    terms = await targets.terms_of(session, point)
    blocks = kind in BLOCKING and terms.on_digest_mismatch is OnMismatch.BLOCK
    for known in await _open_ones(session, target, version_id):
        if known.kind is kind:
            if blocks and not known.blocks:
                known.blocks = True
                await block(session, point, target, known)
            return None
    seen = select(Incident.id).filter_by(
        tenant_id=point.tenant_id, target_id=target.id, report_id=cause_id, kind=kind
    )
    if await session.scalar(seen.limit(1)) is not None:
        return None
    incident = Incident(
        tenant_id=point.tenant_id,
        point_id=point.id,
        target_id=target.id,
        version_id=version_id,
        kind=kind,
        severity=_SEVERITY[kind],
        blocks=blocks,
        report_id=cause_id,
        facts={key: str(value) for key, value in facts.items()},
    )
    session.add(incident)
    await session.flush()
    await session.refresh(incident)
    await audit.record(
        session, system, "incident.opened", f"point:{point.id}",
        incident=incident.id, kind=kind, severity=incident.severity, target=target.name,
        version_id=version_id, blocks=blocks, reported_by=reporter_id,
        facts=incident.facts,
    )  # fmt: skip
    await publish(
        session,
        IncidentOpened(
            tenant_id=point.tenant_id, incident_id=incident.id, kind=kind.value,
            severity=incident.severity.value, point=point.key, target=target.name,
            version_id=version_id, blocks=blocks,
        ),
    )  # fmt: skip
    if blocks:
        await block(session, point, target, incident)
    return incident


async def _open_ones(session: AsyncSession, target: Target, version_id: UUID) -> list[Incident]:
    query = select(Incident).filter_by(
        tenant_id=target.tenant_id, target_id=target.id, version_id=version_id, resolved_at=None
    )
    return list(await session.scalars(query.with_for_update()))


async def _end(
    session: AsyncSession,
    incident: Incident,
    point: catalog.DecisionPoint,
    *,
    by: Actor,
    reason: str | None = None,
    accepted: bool = False,
) -> None:
    """Resolve an incident, ``accepted`` though its cause stands; the last that blocked unblocks."""
    incident.resolved_at = func.clock_timestamp()
    incident.resolved_by = None if reason is None else by.person_id
    incident.resolution = reason
    await session.flush()
    await session.refresh(incident)
    await audit.record(
        session, by, "incident.resolved", f"point:{point.id}",
        incident=incident.id, kind=incident.kind, version_id=incident.version_id,
        by_itself=reason is None, accepted=accepted, personal={"reason": reason},
    )  # fmt: skip
    await publish(
        session,
        IncidentResolved(
            tenant_id=point.tenant_id, incident_id=incident.id, kind=incident.kind.value,
            by_itself=reason is None,
        ),
    )  # fmt: skip
    if incident.blocks:
        await lift(session, point, incident, f"Incident {incident.id} is resolved.", by=by)


async def acknowledge(
    session: AsyncSession, incident_id: UUID, *, note: str, by: Actor
) -> Incident:
    """Say that one looks at an incident; the last one who says so is who does."""
    incident, point, _ = await _handled(session, incident_id, by=by)
    incident.acknowledged_at = func.clock_timestamp()
    incident.acknowledged_by = by.person_id
    incident.note = note
    await session.flush()
    await session.refresh(incident)
    await audit.record(
        session, by, "incident.acknowledged", f"point:{point.id}",
        incident=incident.id, kind=incident.kind, personal={"note": note},
    )  # fmt: skip
    await publish(session, IncidentAcknowledged(tenant_id=by.tenant_id, incident_id=incident.id))
    return incident


async def resolve(
    session: AsyncSession, incident_id: UUID, *, reason: str, accept_cause: bool, by: Actor
) -> Incident:
    """End an incident by one's word; a newer report of the same opens another.

    Of a kind that may block, while the target still says the same, only if that is said aloud:
    whether it blocks now or not, for a swap and the point's terms can change that.
    """
    incident, point, version = await _handled(session, incident_id, by=by)
    if by.person_id == version.developer_id:
        raise OwnVersion(f"{by.name} developed the version and does not resolve its incidents.")
    standing = await causes.stands(session, point, version, incident)
    if standing and not accept_cause:
        places = await targets.targets_by_id(session, by.tenant_id, {incident.target_id})
        target = places[incident.target_id].name
        raise StillReported(
            f"The newest report of {target} still says so.",
            causes=[incident.kind.value],
            filled={"key": point.key, "target": target},
        )
    await _end(session, incident, point, by=by, reason=reason, accepted=standing)
    return incident


async def end_with(
    session: AsyncSession, point: catalog.DecisionPoint, target: Target, *, by: Actor
) -> None:
    """End the incidents of a target that was removed; not those of one's own version."""
    query = select(Incident).filter_by(
        tenant_id=by.tenant_id, target_id=target.id, resolved_at=None
    )
    for incident in list(await session.scalars(query.with_for_update())):
        version = await catalog.version_by_id(session, by.tenant_id, incident.version_id)
        if by.person_id == version.developer_id:
            raise OwnVersion(f"{by.name} developed a version that has an incident there.")
        await _end(session, incident, point, by=by, reason="The target was removed.")


async def _handled(
    session: AsyncSession, incident_id: UUID, *, by: Actor
) -> tuple[Incident, catalog.DecisionPoint, catalog.Version]:
    """Return an open incident that somebody may handle, locked."""
    incident = await session.get(Incident, (by.tenant_id, incident_id))
    if incident is None:
        raise NotFound("incident", incident_id)
    known = await catalog.point_by_id(session, by.tenant_id, incident.point_id)
    point = await catalog.point_by_key(session, known.key, by=by, lock=True)
    await session.refresh(incident, with_for_update=True)
    found = await catalog.versions_by_id(session, by.tenant_id, {incident.version_id})
    model, version = found[incident.version_id]
    await identity.require_right(
        session, by, Action.HANDLE_INCIDENT, tier=model.risk_tier, model=model.name,
        point=point.key, roles=roles_about(version, by),
    )  # fmt: skip
    if incident.resolved_at is not None:
        raise IncidentClosed("The incident was resolved before.")
    return incident, point, version


def roles_about(version: catalog.Version, by: Actor) -> frozenset[str]:
    """Return the roles somebody acts in on a version: its developer in none that was lent."""
    developer = version.developer_id
    return by.roles if by.person_id == developer else by.deciding({developer})


async def list_incidents(
    session: AsyncSession,
    *,
    still_open: bool | None,
    point_key: str | None,
    cursor: str | None,
    limit: int,
    by: Actor,
) -> Rows[Incident]:
    """List incidents, newest first; those of the points that a key in hand is for."""
    query = select(Incident).filter_by(tenant_id=by.tenant_id)
    if still_open is not None:
        resolved = Incident.resolved_at
        query = query.where(resolved.is_(None) if still_open else resolved.is_not(None))
    if point_key is not None:
        point = await catalog.point_by_key(session, point_key, by=by)
        query = query.filter_by(point_id=point.id)
    elif by.points is not None:
        query = query.where(Incident.point_id.in_(catalog.ids_of(by.tenant_id, by.points)))
    return await page(
        session, query, Incident.opened_at, Incident.id,
        cursor=cursor, limit=limit, newest_first=True,
    )  # fmt: skip


async def shown(
    session: AsyncSession, tenant_id: UUID, rows: list[Incident]
) -> list[dict[str, Any]]:
    """Return incidents under the names of what they are about."""
    points = await catalog.points_by_id(session, tenant_id, {row.point_id for row in rows})
    versions = await catalog.versions_by_id(session, tenant_id, {row.version_id for row in rows})
    places = await targets.targets_by_id(session, tenant_id, {row.target_id for row in rows})
    return [
        {
            "id": row.id,
            "kind": row.kind,
            "severity": row.severity,
            "blocks": row.blocks,
            "decision_point": points[row.point_id].key,
            "target": places[row.target_id].name,
            "model": versions[row.version_id][0].name,
            "version": versions[row.version_id][1].number,
            "version_id": row.version_id,
            "facts": row.facts,
            "opened_at": row.opened_at,
            "acknowledged_at": row.acknowledged_at,
            "acknowledged_by": row.acknowledged_by,
            "note": row.note,
            "resolved_at": row.resolved_at,
            "resolved_by": row.resolved_by,
            "resolution": row.resolution,
        }
        for row in rows
    ]
