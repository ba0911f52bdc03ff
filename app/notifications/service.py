from collections.abc import Sequence
from dataclasses import asdict
from uuid import UUID

import orjson
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.actor import Actor
from app.kit.canonical import plain
from app.kit.ids import uuid7
from app.kit.page import Rows, decode, encode
from app.notifications.tables import Outgoing
from app.notifications.telling import Told, tell
from app.platform.db import Json
from app.platform.events import Event

_KEEP = """
INSERT INTO notifications_outbox (tenant_id, id, type, data)
SELECT tenant_id, id, type, data
FROM ROWS FROM (jsonb_to_recordset(%(rows)s::jsonb)
    AS (tenant_id uuid, id uuid, type text, data jsonb)) WITH ORDINALITY
    AS kept(tenant_id, id, type, data, place)
ORDER BY place
"""
_SETTLE = """
UPDATE notifications_outbox o SET position = last.position + fresh.n
FROM (SELECT id, row_number() OVER (ORDER BY at, told) AS n FROM notifications_outbox
      WHERE tenant_id = :tenant AND position IS NULL) AS fresh,
     (SELECT coalesce(max(position), 0) AS position FROM notifications_outbox
      WHERE tenant_id = :tenant) AS last
WHERE o.tenant_id = :tenant AND o.id = fresh.id
"""


async def keep(session: AsyncSession, events: Sequence[Event]) -> None:
    """Write events into the outbox, in their order, in the transaction they happened in."""
    rows = [
        {"tenant_id": event.tenant_id, "id": uuid7(), "type": event.type, "data": _facts(event)}
        for event in events
    ]
    # What was written before comes before: a driver's statement flushes nothing by itself.
    await session.flush()
    connection = await session.connection()
    await connection.exec_driver_sql(_KEEP, {"rows": orjson.dumps(rows).decode()})


def outgoing(event: Event) -> Outgoing:
    """Return an event as the outbox holds it."""
    return Outgoing(tenant_id=event.tenant_id, type=event.type, data=_facts(event))


def _facts(event: Event) -> Json:
    facts = asdict(event)
    facts.pop("tenant_id")
    found: Json = plain(facts)
    return found


async def feed(session: AsyncSession, *, cursor: str | None, limit: int, by: Actor) -> Rows[Told]:
    """Return events in the order in which they became known, from the cursor on.

    The last page's cursor may be kept: what is committed later stands behind it, however long ago
    its transaction began.
    """
    await settle(session, by.tenant_id)
    query = select(Outgoing).where(
        Outgoing.tenant_id == by.tenant_id, Outgoing.position.is_not(None)
    )
    if cursor is not None:
        (after,) = decode(cursor, int)
        query = query.where(Outgoing.position > after)
    rows = list(await session.scalars(query.order_by(Outgoing.position).limit(limit)))
    told = await tell(session, by.tenant_id, rows)
    return Rows(told, encode([rows[-1].position]) if rows else cursor)


async def settle(session: AsyncSession, tenant_id: UUID) -> None:
    """Give every event that is committed its position; one reader at a time."""
    waiting = select(Outgoing.id).filter_by(tenant_id=tenant_id, position=None)
    if await session.scalar(waiting.limit(1)) is None:
        return
    lock = func.pg_advisory_xact_lock(func.hashtextextended(f"feed {tenant_id}", 0))
    await session.execute(select(lock))
    await session.execute(text(_SETTLE), {"tenant": tenant_id})


async def last_position(session: AsyncSession, tenant_id: UUID) -> int:
    """Return the place in the feed of what is known by now: what comes later stands behind it."""
    await settle(session, tenant_id)
    last = select(func.max(Outgoing.position)).filter_by(tenant_id=tenant_id)
    return await session.scalar(last) or 0
