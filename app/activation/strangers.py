"""Strangers: versions that a target serves though nobody approved them for its decision point."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, gates, routing
from app.activation.tables import Report

_MOST = 5


async def was_approved(
    session: AsyncSession, point: catalog.DecisionPoint, version_id: UUID
) -> bool:
    """Say whether a version has, or once had, the right to answer at a point."""
    seats = select(routing.Seat.id).filter_by(
        tenant_id=point.tenant_id, point_id=point.id, version_id=version_id
    )
    if await session.scalar(seats.limit(1)) is not None:
        return True
    fallback = await routing.declared(session, point.tenant_id, point.id)
    return fallback is not None and fallback.version_id == version_id


async def is_asked_for(
    session: AsyncSession, point: catalog.DecisionPoint, version_id: UUID
) -> bool:
    """Say whether a version's activation at a point is open: targets are told to warm it up."""
    cases = await gates.open_cases_of(session, point.tenant_id, version_id)
    return any(
        case.kind is gates.CaseKind.ACTIVATION and case.point_id == point.id for case in cases
    )


async def facts_of(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    version: catalog.Version,
    report: Report,
) -> dict[str, Any]:
    """Return what runs in a place where it was never approved, and what was."""
    seated = await session.scalars(
        select(routing.Seat.version_id)
        .filter_by(tenant_id=point.tenant_id, point_id=point.id, until=None)
        .order_by(routing.Seat.role, routing.Seat.since)
    )
    approved = list(seated)
    named = await catalog.versions_by_id(session, point.tenant_id, {version.id, *approved})
    return {
        "approved": ", ".join(_named(*named[one]) for one in approved) or "nothing",
        "serving": _named(*named[version.id]),
        "running": report.digest,
        "running_is": await known_as(session, point.tenant_id, report.digest),
        "state": report.state,
    }


async def known_as(session: AsyncSession, tenant_id: UUID, digest: str) -> str:
    """Return which versions have a digest, by name."""
    found = await catalog.versions_with_digest(session, tenant_id, digest, most=_MOST)
    return ", ".join(f"{name}@{number}" for name, number in found) or "unknown to the catalog"


def _named(model: catalog.Model, version: catalog.Version) -> str:
    return f"{model.name}@{version.number} ({version.digest or 'without a digest'})"
