"""Reading the log: who did what, to what, when; and forgetting who."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.tables import AuditEntry
from app.kit.actor import Actor
from app.kit.page import Rows
from app.platform.db import page


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a reader of the log is after; nothing means everything."""

    stream: str | None = None
    actor_id: UUID | None = None
    version_ids: frozenset[UUID] | None = None
    """Any of these versions."""
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def history(
    session: AsyncSession,
    actor: Actor,
    asked: Asked,
    *,
    cursor: str | None,
    limit: int,
    newest_first: bool = True,
) -> Rows[dict[str, Any]]:
    """List entries in order of time."""
    query = select(AuditEntry).filter_by(tenant_id=actor.tenant_id)
    for name in ("stream", "actor_id", "action"):
        if (value := getattr(asked, name)) is not None:
            query = query.where(getattr(AuditEntry, name) == value)
    if asked.version_ids is not None:
        query = query.where(AuditEntry.version_id.in_(asked.version_ids))
    if asked.since is not None:
        query = query.where(AuditEntry.at >= asked.since)
    if asked.until is not None:
        query = query.where(AuditEntry.at < asked.until)
    order = AuditEntry.at, AuditEntry.stream, AuditEntry.seq
    found = await page(
        session, query, *order, cursor=cursor, limit=limit, newest_first=newest_first
    )
    return Rows([shown(row) for row in found.items], found.next_cursor)


def shown(row: AuditEntry) -> dict[str, Any]:
    """Return an entry as readers see it, with what is left of its personal data."""
    erased = row.body is not None and row.personal is None
    personal = _read(row.personal)
    name = personal.pop("actor", None) if row.body is not None else row.actor_name
    return {
        "stream": row.stream,
        "seq": row.seq,
        "at": row.at,
        "actor_id": row.actor_id,
        "actor_name": name,
        "action": row.action,
        "details": row.details,
        "personal": personal,
        "erased": erased,
        "hash": row.hash,
    }


def _read(personal: str | None) -> dict[str, Any]:
    """Return personal data; what somebody wrote over it is shown as it is."""
    try:
        found = {} if personal is None else orjson.loads(personal)
    except orjson.JSONDecodeError:
        found = None
    return found if isinstance(found, dict) else {"unreadable": personal}


async def erase(session: AsyncSession, tenant_id: UUID, person_id: UUID, stream: str) -> int:
    """Forget the personal data of what a person did, and of what is told of him in ``stream``.

    The entries stay, the chains and the tree hold: they cover salted commitments only.
    """
    found = await session.execute(
        update(AuditEntry)
        .where(
            AuditEntry.tenant_id == tenant_id,
            or_(AuditEntry.actor_id == person_id, AuditEntry.stream == stream),
            AuditEntry.personal.is_not(None),
        )
        .values(personal=None, salt=None)
        .returning(AuditEntry.seq)
        .execution_options(synchronize_session=False)
    )
    return len(found.all())
