"""Rehearsals: each release has its own, and whoever supplied one is on record."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app import gates, telemetry

UNKNOWN = "nobody on record rehearsed it"


async def releases_ended(session: AsyncSession, asked: telemetry.ReleasesEnded) -> int:
    """Return how many releases came before the one that a rehearsal is for."""
    return await gates.releases_ended(session, asked.tenant_id, asked.version_id, asked.point_id)


async def who_rehearsed(session: AsyncSession, case: gates.Case) -> dict[str, Any]:
    """Return who supplied a release's rehearsal, and what part one of them has in the version."""
    assert case.point_id is not None  # noqa: S101 - a release has a point
    people = await telemetry.rehearsed_by(session, case.tenant_id, case.point_id, case.version_id)
    made = await gates.makers_of(session, case.tenant_id, {case.version_id})
    parts = [made[one] for one in people if one in made]
    return {"rehearsed_by": people, "part": parts[0] if parts else None if people else UNKNOWN}
