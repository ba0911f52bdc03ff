"""The sequencer: gives committed entries their place in the log, and signs what it has become.

Entries commit in any order, under the locks of their streams alone. One worker at a time takes
those that wait (the log's row lock, skipped where another holds it), numbers them, and extends the
tree. A checkpoint is signed only if the log still begins with what was signed before: where the
database was set back, nothing more is signed.
"""

import logging
from uuid import UUID

from sqlalchemy import Select, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit import log
from app.audit.checkpoint import Checkpoint
from app.audit.signer import Signer
from app.audit.tables import Leaf, Log, Pending, SignedCheckpoint, TreeNode
from app.kit.refusal import Kind, Refusal
from app.platform.db import ALL_TENANTS, Database
from app.platform.rota import for_each

logger = logging.getLogger(__name__)

_BATCH = 5000
_TAKE = text("""
WITH taken AS (
    DELETE FROM audit_pending p USING (
        SELECT q.tenant_id, q.stream, q.seq FROM audit_pending q
        WHERE q.tenant_id = :tenant ORDER BY q.stream, q.seq LIMIT :batch
    ) AS chosen
    WHERE p.tenant_id = chosen.tenant_id AND p.stream = chosen.stream AND p.seq = chosen.seq
    RETURNING p.tenant_id, p.stream, p.seq
)
SELECT e.stream, e.seq, e.hash FROM taken
JOIN audit_entry e USING (tenant_id, stream, seq)
-- What is numbered already waits for nothing, whoever put it there.
WHERE NOT EXISTS (
    SELECT FROM audit_leaf l
    WHERE l.tenant_id = e.tenant_id AND l.stream = e.stream AND l.seq = e.seq
)
ORDER BY max(e.at) OVER (PARTITION BY e.stream ORDER BY e.seq), e.stream, e.seq
""")
"""In order of time, but never against the order of a stream, whatever the clock did."""


class SetBack(Refusal):
    """The log does not begin with what was signed of it."""

    kind = Kind.CONFLICT
    code = "log_set_back"
    title = "The log is not what was signed"
    mend = "Run `modelward audit verify`, and restore the database to what was signed."


class SignedByAnother(Refusal):
    """Two keys would sign one log: whoever verifies it knows only one of them."""

    kind = Kind.CONFLICT
    code = "signed_by_another"
    title = "The log is signed with another key"
    mend = "Give every worker the same MODELWARD_AUDIT_KEY_FILE, or let one alone sign."


async def sequence(database: Database, signer: Signer | None) -> None:
    """Give what waits its number and sign the new state, tenant by tenant; without a key do not."""
    async with database.session(ALL_TENANTS) as session:
        tenants = list(await session.scalars(select(Pending.tenant_id).distinct()))
        unsigned = await session.scalars(
            select(Log.tenant_id).where(
                Log.size
                > select(func.coalesce(func.max(SignedCheckpoint.size), 0))
                .where(SignedCheckpoint.tenant_id == Log.tenant_id)
                .scalar_subquery()
            )
        )
        tenants += [tenant for tenant in unsigned if tenant not in tenants]
    waiting = [(tenant,) for tenant in tenants]
    while waiting:
        more: list[tuple[UUID]] = []

        async def one(session: AsyncSession, tenant: UUID, more: list[tuple[UUID]] = more) -> None:
            if await number(session, tenant) == _BATCH:
                more.append((tenant,))

        await for_each(database, waiting, one)
        waiting = more
    if signer is not None:
        await for_each(database, [(tenant, signer) for tenant in tenants], sign)


async def number(session: AsyncSession, tenant_id: UUID) -> int:
    """Give waiting entries the log's next indexes; return how many, 0 if another is at it."""
    await session.execute(upsert(Log).values(tenant_id=tenant_id, size=0).on_conflict_do_nothing())
    size = await session.scalar(_lock(tenant_id))
    if size is None:
        return 0
    rows = (await session.execute(_TAKE, {"tenant": tenant_id, "batch": _BATCH})).all()
    if not rows:
        return 0
    leaves = [
        {
            "tenant_id": tenant_id,
            "index": size + place,
            "stream": row.stream,
            "seq": row.seq,
            "hash": log.leaf_of(row.hash),
        }
        for place, row in enumerate(rows)
    ]
    await session.execute(insert(Leaf), leaves)
    await _complete(session, tenant_id, size, size + len(rows))
    await session.execute(update(Log).filter_by(tenant_id=tenant_id).values(size=size + len(rows)))
    return len(rows)


def _lock(tenant_id: UUID) -> Select[int]:
    """Return the query for a log's size that takes its lock, or nothing if another holds it."""
    return select(Log.size).filter_by(tenant_id=tenant_id).with_for_update(skip_locked=True)


async def _complete(session: AsyncSession, tenant_id: UUID, old: int, new: int) -> None:
    """Store the nodes that became complete when the log grew from ``old`` to ``new``."""
    level = 0
    while new // log.BLOCK > old // log.BLOCK:
        first, end = old // log.BLOCK, new // log.BLOCK
        row = await log.level_hashes(session, tenant_id, level, first * log.BLOCK, end * log.BLOCK)
        level += 1
        nodes = [
            {"tenant_id": tenant_id, "level": level, "index": first + place, "hash": hash_}
            for place, hash_ in enumerate(log.completed(row))
        ]
        await session.execute(insert(TreeNode), nodes)
        old, new = first, end


async def sign(session: AsyncSession, tenant_id: UUID, signer: Signer) -> None:
    """Sign the log as it stands, if it grew out of what was signed before."""
    size = await session.scalar(_lock(tenant_id))
    if size is None:
        return
    other = await session.scalar(
        select(SignedCheckpoint.key)
        .filter_by(tenant_id=tenant_id)
        .order_by(SignedCheckpoint.size.desc())
        .limit(1)
    )
    if other is not None and other != signer.verifier(tenant_id):
        raise SignedByAnother(
            f"The log of tenant {tenant_id} is signed with {other}; this machine has another key."
        )
    before = signer.last(tenant_id)
    if before is not None and (
        before.size > size or await log.root_at(session, tenant_id, before.size) != before.root
    ):
        raise SetBack(
            f"The log of tenant {tenant_id} has {size} entries and does not begin with the"
            f" {before.size} that were signed."
        )
    if size == 0 or await session.get(SignedCheckpoint, (tenant_id, size)) is not None:
        return
    found = Checkpoint(signer.origin(tenant_id), size, await log.root_at(session, tenant_id, size))
    session.add(
        SignedCheckpoint(
            tenant_id=tenant_id,
            size=size,
            root=found.root,
            note=signer.sign(found),
            key=signer.verifier(tenant_id),
        )
    )
    await session.flush()
