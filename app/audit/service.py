"""Recording and verifying.

Two statements an act: the first takes the stream's row lock and reads head and clock together,
the second appends and moves the head. Streams are one per aggregate, so writers meet only where
they change the same thing.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.chain import GENESIS, Checker, Entry, Fault, link
from app.audit.tables import AuditEntry, Stream
from app.kit.actor import Actor
from app.kit.canonical import plain
from app.kit.page import Rows
from app.platform.db import page


@dataclass(slots=True)
class Report:
    """What ``verify`` found."""

    entries: int = 0
    streams: int = 0
    faults: list[Fault] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every chain holds."""
        return not self.faults


async def record(
    session: AsyncSession, actor: Actor, action: str, stream: str, **details: Any
) -> None:
    """Append an entry to ``stream`` within the caller's transaction."""
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
    fact = {
        "tenant_id": tenant_id,
        "stream": stream,
        "seq": head.seq + 1,
        "at": head[2],
        "actor_id": actor.id,
        "actor_name": actor.name,
        "action": action,
        "details": plain(details),
    }
    fact["hash"] = link(head.hash, **fact)
    appended = insert(AuditEntry).values(**fact).returning(AuditEntry.seq).cte("appended")
    await session.execute(
        update(Stream)
        .where(Stream.tenant_id == tenant_id, Stream.name == stream)
        .values(seq=select(appended.c.seq).scalar_subquery(), hash=fact["hash"])
        .execution_options(synchronize_session=False)
    )


async def verify(session: AsyncSession, tenant_id: UUID, *, batch: int = 5000) -> Report:
    """Recompute every chain of a tenant; the report names the first bad entry of each.

    ``session`` sees one moment, so that what is appended meanwhile is in neither entries nor heads.
    """
    heads = {
        name: (seq, hash_)
        for name, seq, hash_ in await session.execute(
            select(Stream.name, Stream.seq, Stream.hash).filter_by(tenant_id=tenant_id)
        )
    }
    checker, report = Checker(heads), Report(streams=len(heads))
    last = ("", 0)
    while rows := await _read(session, tenant_id, last, batch):
        last = (rows[-1].stream, rows[-1].seq)
        report.entries += len(rows)
        report.faults += await asyncio.to_thread(checker.take, rows)
    report.faults += checker.end()
    return report


async def _read(
    session: AsyncSession, tenant_id: UUID, after: tuple[str, int], batch: int
) -> list[Entry]:
    rows = await session.scalars(
        select(AuditEntry)
        .where(
            AuditEntry.tenant_id == tenant_id,
            tuple_(AuditEntry.stream, AuditEntry.seq) > after,
        )
        .order_by(AuditEntry.stream, AuditEntry.seq)
        .limit(batch)
    )
    return [
        Entry(
            row.tenant_id,
            row.stream,
            row.seq,
            row.at,
            row.actor_id,
            row.actor_name,
            row.action,
            row.details,
            row.hash,
        )
        for row in rows
    ]


async def history(
    session: AsyncSession, actor: Actor, *, stream: str | None, cursor: str | None, limit: int
) -> Rows[AuditEntry]:
    """List entries, newest first; of one stream if named."""
    query = select(AuditEntry).filter_by(tenant_id=actor.tenant_id)
    if stream is not None:
        query = query.filter_by(stream=stream)
    order = AuditEntry.at, AuditEntry.stream, AuditEntry.seq
    return await page(session, query, *order, cursor=cursor, limit=limit, newest_first=True)
