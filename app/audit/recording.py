"""Recording: an entry commits with the act it tells of.

Two statements an act: the first takes the stream's row lock and reads head and clock together,
the second appends and moves the head. Streams are one per aggregate, so writers meet only where
they change the same thing.
"""

import secrets
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.chain import GENESIS, seal
from app.audit.tables import AuditEntry, Stream
from app.kit.actor import Actor
from app.kit.canonical import plain

_SALT_BYTES = 16


async def record(
    session: AsyncSession,
    actor: Actor,
    action: str,
    stream: str,
    *,
    personal: dict[str, Any] | None = None,
    **details: Any,
) -> None:
    """Append an entry to ``stream`` within the caller's transaction.

    ``personal`` is what may have to be erased one day: names, and what people wrote. The entry's
    hash covers it through a salted commitment. The actor's own name is always part of it.
    """
    tenant_id = actor.tenant_id
    head = (
        await session.execute(
            upsert(Stream)
            .values(tenant_id=tenant_id, name=stream, seq=0, hash=GENESIS)
            .on_conflict_do_update(
                index_elements=[Stream.tenant_id, Stream.name], set_={"seq": Stream.seq}
            )
            .returning(Stream.seq, Stream.hash, func.clock_timestamp())
        )
    ).one()
    entry = seal(
        head.hash,
        tenant_id=tenant_id,
        stream=stream,
        seq=head.seq + 1,
        at=head[2],
        actor_id=actor.id,
        action=action,
        details=plain(details),
        personal={"actor": actor.name, **plain(personal or {})},
        salt=secrets.token_bytes(_SALT_BYTES),
    )
    ids = {"tenant_id": tenant_id, "actor_id": actor.id, "version_id": entry.version}
    row = entry._asdict() | ids
    appended = insert(AuditEntry).values(**row).returning(AuditEntry.seq).cte("appended")
    await session.execute(
        update(Stream)
        .where(Stream.tenant_id == tenant_id, Stream.name == stream)
        .values(seq=select(appended.c.seq).scalar_subquery(), hash=entry.hash)
        .execution_options(synchronize_session=False)
    )
