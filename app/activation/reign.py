"""Who was champion at a moment, and who made it so."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, gates, routing
from app.kit.actor import Actor
from app.platform.db import Database


async def champion_at(
    session: AsyncSession, key: str, at: datetime | None, *, by: Actor
) -> dict[str, Any]:
    """Return a point's champion at a moment with the activation that gave it the seat."""
    point = await catalog.point_by_key(session, key, by=by)
    seat = await routing.champion_at(session, point, at)
    found = await catalog.versions_by_id(session, by.tenant_id, {seat.version_id})
    model, version = found[seat.version_id]
    signed = await gates.signed(session, by.tenant_id, {seat.case_id})
    return _reign(key, seat, model.name, version.number, *signed[seat.case_id])


async def find_champions(
    database: Database, tenant_id: UUID, asked: list[tuple[str, ...]]
) -> dict[tuple[str, ...], dict[str, Any]]:
    """Return who is champion now, of many points at once; of those that have one."""
    async with database.session(tenant_id) as session:
        reigns = await routing.reigning(session, tenant_id, [key for (key,) in asked])
        cases = {seat.case_id for seat, _, _ in reigns.values()}
        signed = await gates.signed(session, tenant_id, cases)
    return {
        (key,): _reign(key, seat, model, number, *signed[seat.case_id])
        for key, (seat, model, number) in reigns.items()
    }


def _reign(
    key: str,
    seat: routing.Seat,
    model: str,
    number: int,
    requested_by: str | None,
    signed: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "decision_point": key,
        "model": model,
        "number": number,
        "version_id": seat.version_id,
        "role": seat.role,
        "endpoint": seat.endpoint,
        "parameters": seat.parameters,
        "since": seat.since,
        "until": seat.until,
        "cause": seat.cause,
        "case_id": seat.case_id,
        "requested_by": requested_by,
        "signatories": [signature for signature in signed if signature["at"] <= seat.since],
    }
