"""Adoption: rows of an upgraded tenant that no entry can tell of are vouched for from now on."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.recording import record
from app.audit.rows import ADOPTED, FOUNDED, standing
from app.audit.tables import AuditEntry
from app.audit.vouching import ROWS
from app.kit.actor import Actor
from app.kit.refusal import Kind, Refusal
from app.platform.db import Database

_AT_ONCE = 200
_EVER = datetime.min.replace(tzinfo=UTC)


class NothingOlder(Refusal):
    """Every row of the tenant had its entry from the first: one without was put in by hand."""

    kind = Kind.CONFLICT
    code = "nothing_older"
    title = "There is nothing older to adopt"
    mend = "Run `modelward audit verify`: it names each row of which no entry tells."


async def untold(database: Database, tenant_id: UUID) -> list[str]:
    """Return the keys of the rows that no entry tells of, as they would be adopted."""
    async with database.snapshot(tenant_id) as session:
        await _require_older(session, tenant_id)
        return sorted(await _untold(session, tenant_id))


async def adopt(database: Database, tenant_id: UUID) -> int:
    """Vouch from now on for the rows that no entry tells of; return how many there were.

    They are older than vouching, or were written by processes of an older release beside those of a
    newer one. That they were adopted, and as what, is itself in the log, even if there were none:
    from then on a row without an entry is a fault, whatever date it bears.
    """
    async with database.transaction(tenant_id) as session:
        await _require_older(session, tenant_id)
        found = list((await _untold(session, tenant_id)).items())
        system, stream = Actor.system(tenant_id), f"tenant:{tenant_id}"
        if not found and not await _told(session, tenant_id, ADOPTED):
            await record(session, system, ADOPTED, stream, wrote={})
        for first in range(0, len(found), _AT_ONCE):
            rows = dict(found[first : first + _AT_ONCE])
            await record(session, system, ADOPTED, stream, wrote=rows)
    return len(found)


async def _require_older(session: AsyncSession, tenant_id: UUID) -> None:
    if await _told(session, tenant_id, FOUNDED):
        raise NothingOlder(
            "The tenant's log vouches for its rows from its first entry on; a row without an entry"
            " was not written by the server."
        )


async def _told(session: AsyncSession, tenant_id: UUID, action: str) -> bool:
    """Say whether an entry with this action speaks of rows."""
    query = select(AuditEntry.seq).filter_by(tenant_id=tenant_id, action=action)
    return await session.scalar(query.where(_SPEAKS).limit(1)) is not None


async def _untold(session: AsyncSession, tenant_id: UUID) -> dict[str, str]:
    """Return the fingerprints of the rows of which no entry tells, by key."""
    told = select(func.jsonb_object_keys(AuditEntry.details[ROWS])).where(
        AuditEntry.tenant_id == tenant_id, _SPEAKS
    )
    known = set(await session.scalars(told))
    return {
        key: fingerprint
        async for key, fingerprint, _, _ in standing(session, tenant_id, _EVER)
        if key not in known
    }


_SPEAKS = func.jsonb_typeof(AuditEntry.details[ROWS]) == "object"
