from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.actor import Actor
from app.kit.canonical import plain
from app.kit.page import Rows, decode, encode
from app.notifications.tables import Outgoing
from app.platform.events import Event

_SETTLED_SECONDS = 2


async def keep(session: AsyncSession, event: Event) -> None:
    """Write an event into the outbox, in the transaction it happened in."""
    facts = asdict(event)
    facts.pop("tenant_id")
    session.add(Outgoing(tenant_id=event.tenant_id, type=event.type, data=plain(facts)))


async def feed(
    session: AsyncSession, *, cursor: str | None, limit: int, by: Actor
) -> Rows[Outgoing]:
    """Return events in order of time from the cursor on; the last page's cursor may be kept.

    The newest two seconds are held back: a transaction that began earlier may still commit an
    event with an earlier time, and a reader must not step over it.
    """
    query = select(Outgoing).where(
        Outgoing.tenant_id == by.tenant_id,
        Outgoing.at < func.now() - func.make_interval(0, 0, 0, 0, 0, 0, _SETTLED_SECONDS),
    )
    if cursor is not None:
        after = tuple(decode(cursor, datetime.fromisoformat, UUID))
        query = query.where(tuple_(Outgoing.at, Outgoing.id) > after)
    rows = list(await session.scalars(query.order_by(Outgoing.at, Outgoing.id).limit(limit)))
    last = rows[-1] if rows else None
    return Rows(rows, encode([last.at, last.id]) if last else cursor)
