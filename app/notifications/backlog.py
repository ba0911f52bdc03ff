"""How far the courier is behind what was told."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_WAITING = text("""
SELECT tenant_id, sum(events) AS events, sum(overdue) AS overdue,
    extract(epoch FROM clock_timestamp() - min(at)) AS oldest
FROM (
    SELECT o.tenant_id, count(*) AS events, 0 AS overdue, min(o.at) AS at
    FROM notifications_outbox o JOIN (
        SELECT p.tenant_id, min(p.position) AS position FROM notifications_progress p
        JOIN notifications_webhook w ON w.tenant_id = p.tenant_id AND w.id = p.webhook_id
        WHERE w.active GROUP BY p.tenant_id
    ) taken ON taken.tenant_id = o.tenant_id
    WHERE o.position IS NULL OR o.position > taken.position GROUP BY o.tenant_id
    UNION ALL
    SELECT d.tenant_id, 0, count(*), min(d.due_at) FROM notifications_delivery d
    JOIN notifications_webhook w ON w.tenant_id = d.tenant_id AND w.id = d.webhook_id
    WHERE w.active AND d.state = 'pending' AND d.due_at <= clock_timestamp() GROUP BY d.tenant_id
) AS found GROUP BY tenant_id
""")


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for a tenant's receivers that are switched on."""

    events: int
    """Not yet looked at for the slowest of them."""
    overdue: int
    """Deliveries whose next attempt is due."""
    oldest: float
    """Seconds that the oldest of both has waited."""


async def waiting(session: AsyncSession) -> dict[UUID, Waiting]:
    """Return it by tenant; a tenant for whom nothing waits is not there."""
    return {
        row.tenant_id: Waiting(int(row.events), int(row.overdue), float(row.oldest))
        for row in await session.execute(_WAITING)
    }
