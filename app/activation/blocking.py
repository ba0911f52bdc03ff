"""Blocks: what an incident keeps routing from answering with, and what lifts that again.

A digest that was not approved is of one version, which then answers no more. Where a target serves
a version that was never approved for the point, it may answer in anybody's place: then everything
there is stopped.
"""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, routing
from app.activation.tables import Incident, IncidentKind, Target
from app.kit.actor import Actor

BLOCKING = {
    IncidentKind.DIGEST_MISMATCH: "{target} runs a digest that was not approved",
    IncidentKind.UNAPPROVED_VERSION: "{target} serves a version that was never approved here",
}
"""What may block, and why. A stop made for it has the kind as its cause, and ends with it."""


def held(incident: Incident) -> UUID | None:
    """Return the version that an incident stops, or nothing where it stops everything."""
    mismatch = incident.kind is IncidentKind.DIGEST_MISMATCH
    return incident.version_id if mismatch else None


async def block(
    session: AsyncSession, point: catalog.DecisionPoint, target: Target, incident: Incident
) -> None:
    """Keep routing from answering with what an incident is about."""
    why = BLOCKING[incident.kind].format(target=target.name)
    await routing.stop(
        session, point, version_id=held(incident), cause=incident.kind.value,
        reason=f"{why} (incident {incident.id}).", by=Actor.system(point.tenant_id),
    )  # fmt: skip


async def lift(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    incident: Incident,
    reason: str,
    *,
    by: Actor,
) -> None:
    """Unblock a point, if no other incident blocks the same of it."""
    left = select(Incident.id).filter_by(
        tenant_id=point.tenant_id, point_id=point.id, kind=incident.kind, blocks=True,
        resolved_at=None,
    )  # fmt: skip
    version_id = held(incident)
    if version_id is not None:
        left = left.filter_by(version_id=version_id)
    if await session.scalar(left.limit(1)) is None:
        await routing.resume(
            session, point, version_id=version_id, cause=incident.kind.value, reason=reason, by=by
        )


async def release_unseated(session: AsyncSession, point: catalog.DecisionPoint) -> None:
    """Lift the blocks of versions that have left their seats; the incidents stay to be handled."""
    system = Actor.system(point.tenant_id)
    seated = select(routing.Seat.version_id).filter_by(
        tenant_id=point.tenant_id, point_id=point.id, until=None
    )
    query = select(Incident).filter_by(
        tenant_id=point.tenant_id, point_id=point.id, kind=IncidentKind.DIGEST_MISMATCH,
        blocks=True, resolved_at=None,
    )  # fmt: skip
    moot = query.where(Incident.version_id.not_in(seated)).with_for_update()
    for incident in list(await session.scalars(moot)):
        incident.blocks = False
        await session.flush()
        await audit.record(
            session, system, "incident.unblocked", f"point:{point.id}",
            incident=incident.id, version_id=incident.version_id,
        )  # fmt: skip
        reason = f"The version of incident {incident.id} has left its seat."
        await lift(session, point, incident, reason, by=system)


async def causes_standing(session: AsyncSession, asked: routing.CausesStanding) -> frozenset[str]:
    """Say what still holds of what the server stopped a point for: an incident ends by itself."""
    query = select(Incident.kind).filter_by(
        tenant_id=asked.tenant_id, point_id=asked.point_id, blocks=True, resolved_at=None
    )
    standing = {kind.value for kind in await session.scalars(query.distinct())}
    return asked.causes - ({kind.value for kind in BLOCKING} - standing)
