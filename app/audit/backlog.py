"""How far signing is behind what was done: entries that no checkpoint covers yet."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_UNSIGNED = text("""
SELECT log.tenant_id,
    log.size - coalesce(signed.size, 0) + coalesce(waiting.entries, 0) AS entries,
    extract(epoch FROM clock_timestamp() - least(first.at, waiting.at)) AS oldest,
    extract(epoch FROM clock_timestamp() - signed.at) AS age
FROM audit_log log
LEFT JOIN LATERAL (
    SELECT size, at FROM audit_checkpoint c WHERE c.tenant_id = log.tenant_id
    ORDER BY size DESC LIMIT 1
) signed ON true
LEFT JOIN LATERAL (
    SELECT e.at FROM audit_leaf l JOIN audit_entry e USING (tenant_id, stream, seq)
    WHERE l.tenant_id = log.tenant_id AND l.index = coalesce(signed.size, 0)
) first ON true
LEFT JOIN (
    SELECT p.tenant_id, count(*) AS entries, min(e.at) AS at
    FROM audit_pending p JOIN audit_entry e USING (tenant_id, stream, seq) GROUP BY p.tenant_id
) waiting ON waiting.tenant_id = log.tenant_id
""")


@dataclass(frozen=True, slots=True)
class Unsigned:
    """What of a tenant's log is not signed; times in seconds."""

    entries: int
    oldest: float
    """Of the oldest entry that no checkpoint covers; 0 where all are covered."""
    checkpoint_age: float | None
    """Since the newest checkpoint: of a log in which nothing happens, it only grows."""


async def unsigned(session: AsyncSession) -> dict[UUID, Unsigned]:
    """Return it by tenant."""
    return {
        row.tenant_id: Unsigned(
            row.entries, float(row.oldest or 0), None if row.age is None else float(row.age)
        )
        for row in await session.execute(_UNSIGNED)
    }
