"""Proofs: that an entry is in the log, and that the log only grew."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit import log, merkle
from app.audit.tables import AuditEntry, Delivery, Leaf, Pending, SignedCheckpoint
from app.kit.actor import Actor
from app.kit.page import Rows
from app.kit.refusal import Invalid, NotFound
from app.platform.db import page


class OutOfRange(Invalid):
    """The log has, or had, no such size."""

    code = "out_of_range"
    title = "No such size"
    mend = "Sizes go from 1 to the log's own, which GET /v1/audit/log tells."


async def status(session: AsyncSession, tenant_id: UUID) -> dict[str, Any]:
    """Return how long the log is, what waits, what was signed, and where that was taken."""
    newest = await newest_checkpoint(session, tenant_id)
    waiting = select(Pending.seq).filter_by(tenant_id=tenant_id).limit(1000)
    sinks = select(Delivery).filter_by(tenant_id=tenant_id).order_by(Delivery.sink)
    return {
        "size": await log.size_of(session, tenant_id),
        "waiting": len(list(await session.scalars(waiting))),
        "signed_size": newest.size if newest else 0,
        "signed_at": newest.at if newest else None,
        "key": newest.key if newest else None,
        "sinks": list(await session.scalars(sinks)),
    }


async def newest_checkpoint(session: AsyncSession, tenant_id: UUID) -> SignedCheckpoint | None:
    """Return what was last signed of a log."""
    query = select(SignedCheckpoint).filter_by(tenant_id=tenant_id)
    return await session.scalar(query.order_by(SignedCheckpoint.size.desc()).limit(1))


async def checkpoint(session: AsyncSession, tenant_id: UUID) -> SignedCheckpoint:
    """Return what was last signed of a log; there is none in its first seconds."""
    found = await newest_checkpoint(session, tenant_id)
    if found is None:
        raise NotFound("checkpoint", "of a log that was never signed")
    return found


async def list_checkpoints(
    session: AsyncSession, tenant_id: UUID, *, cursor: str | None, limit: int
) -> Rows[SignedCheckpoint]:
    """List what was signed, newest first."""
    query = select(SignedCheckpoint).filter_by(tenant_id=tenant_id)
    return await page(
        session, query, SignedCheckpoint.size, cursor=cursor, limit=limit, newest_first=True
    )


async def inclusion(
    session: AsyncSession, by: Actor, stream: str, seq: int, size: int | None
) -> dict[str, Any]:
    """Return the proof that an entry is in the log at ``size``, by default the one last signed."""
    key = {"tenant_id": by.tenant_id, "stream": stream, "seq": seq}
    row = await session.scalar(select(AuditEntry).filter_by(**key))
    index = await session.scalar(select(Leaf.index).filter_by(**key))
    if row is None or index is None:
        raise NotFound("entry of the log", f"{stream} {seq}")
    if size is None:
        size = (await checkpoint(session, by.tenant_id)).size
    await _require(session, by.tenant_id, size)
    if index >= size:
        raise OutOfRange(f"The entry is number {index + 1} of the log, after {size}.")
    return {
        "index": index,
        "size": size,
        "body": row.body,
        "hash": row.hash,
        "leaf": log.leaf_of(row.hash),
        "path": await log.hashes(session, by.tenant_id, merkle.inclusion(index, size)),
        "root": await log.root_at(session, by.tenant_id, size),
    }


async def consistency(
    session: AsyncSession, tenant_id: UUID, old: int, size: int | None
) -> dict[str, Any]:
    """Return the proof that the log of ``old`` entries is the beginning of the one of ``size``."""
    if size is None:
        size = (await checkpoint(session, tenant_id)).size
    await _require(session, tenant_id, size)
    if not 0 < old <= size:
        raise OutOfRange(f"A log of {size} entries did not grow out of one of {old}.")
    return {
        "old_size": old,
        "size": size,
        "path": await log.hashes(session, tenant_id, merkle.consistency(old, size)),
        "old_root": await log.root_at(session, tenant_id, old),
        "root": await log.root_at(session, tenant_id, size),
    }


async def _require(session: AsyncSession, tenant_id: UUID, size: int) -> None:
    present = await log.size_of(session, tenant_id)
    if not 0 < size <= present:
        raise OutOfRange(f"The log has {present} entries, not {size}.")
