"""Who was champion at a moment, and who made it so."""

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, gates, identity, routing
from app.kit.actor import Actor


async def champion_at(
    session: AsyncSession, key: str, at: datetime | None, *, by: Actor
) -> dict[str, Any]:
    """Return a point's champion at a moment with the activation that gave it the seat."""
    point = await catalog.point_by_key(session, key, by=by)
    seat = await routing.champion_at(session, point, at)
    found = await catalog.versions_by_id(session, by.tenant_id, {seat.version_id})
    model, version = found[seat.version_id]
    case = await gates.case_of(session, seat.case_id, by=by)
    names = await identity.names_of(session, by.tenant_id, {case.requester_id})
    signed = await gates.signatories(session, case)
    return {
        "decision_point": key,
        "model": model.name,
        "number": version.number,
        "version_id": version.id,
        "role": seat.role,
        "endpoint": seat.endpoint,
        "parameters": seat.parameters,
        "since": seat.since,
        "until": seat.until,
        "cause": seat.cause,
        "case_id": seat.case_id,
        "requested_by": names.get(case.requester_id),
        "signatories": [signature for signature in signed if signature["at"] <= seat.since],
    }
