"""Verification: every chain, leaf, checkpoint and vouched row, as they stand at one moment."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit import log, tree
from app.audit.chain import Fault
from app.audit.checking import Checker
from app.audit.checkpoint import Checkpoint
from app.audit.erasures import Erasures
from app.audit.merkle import leaf_hash
from app.audit.rows import Rows, compare
from app.audit.signer import Signer
from app.audit.tables import AuditEntry, SignedCheckpoint, Stream
from app.audit.tree import LOG, Grower
from app.platform.db import Database, driver

_ENTRIES = """
SELECT %(tenant)s::text, e.stream, e.seq,
    CASE WHEN e.at BETWEEN '0002-01-01' AND '9998-12-31' THEN e.at END, e.actor_id::text,
    e.actor_name, e.action, coalesce(e.details::text, ''), e.version_id::text, e.body, e.personal,
    e.salt, coalesce(e.hash, ''), l.hash, p.seq
FROM audit_entry e
LEFT JOIN audit_leaf l USING (tenant_id, stream, seq)
LEFT JOIN audit_pending p USING (tenant_id, stream, seq)
WHERE e.tenant_id = %(tenant)s
ORDER BY e.stream, e.seq
"""
_LEAVES = """
SELECT index, stream, seq, coalesce(hash, '') FROM audit_leaf
WHERE tenant_id = %(tenant)s ORDER BY index
"""
DATABASE, OUTSIDE = "the database", "the files beside the signing key"


@dataclass(slots=True)
class Report:
    """What ``verify`` found."""

    entries: int = 0
    streams: int = 0
    size: int = 0
    checkpoints: int = 0
    rows: int = 0
    own_key: bool = False
    """Whether signatures were checked with the key of this machine, and not of the database."""
    faults: list[Fault] = field(default_factory=list)
    missing: set[int] = field(default_factory=set)
    """Sizes at which a checkpoint is kept outside and not in the database."""

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return not self.faults


async def verify(
    database: Database, tenant_id: UUID, signer: Signer | None = None, *, batch: int = 500
) -> Report:
    """Recompute a tenant's chains and tree; the report names the first bad entry of each.

    The rows that entries vouch for are compared with them. With a signer, what was kept outside the
    database is compared as well, and only its own signatures count.
    """
    # Read before the moment that is looked at: what is signed meanwhile is beyond it.
    kept = await asyncio.to_thread(lambda: list(signer.kept(tenant_id)) if signer else [])
    async with database.snapshot(tenant_id) as session:
        report = await _at_one_moment(session, tenant_id, signer, kept, batch)
    report.own_key = signer is not None
    if report.missing:
        # A checkpoint is kept a moment before the database has it.
        async with database.session(tenant_id) as session:
            report.missing -= await _sizes(session, tenant_id)
    if report.missing:
        reason = "a checkpoint that was kept outside is gone from the database"
        report.faults.append(Fault(LOG, min(report.missing), reason))
    return report


async def _at_one_moment(
    session: AsyncSession, tenant_id: UUID, signer: Signer | None, kept: list[str], batch: int
) -> Report:
    """Verify in a session whose queries agree: what is appended meanwhile is in none of them."""
    heads = {
        name: (seq, hash_)
        for name, seq, hash_ in await session.execute(
            select(Stream.name, Stream.seq, Stream.hash).filter_by(tenant_id=tenant_id)
        )
    }
    report = Report(streams=len(heads))
    checker, unplaced, erasures, rows_said = Checker(heads), Unplaced(), Erasures(), Rows()

    def entries(rows: list[tuple[Any, ...]]) -> list[Fault]:
        report.entries += len(rows)
        rows_said.take(rows)
        erasures.take(rows)
        found = checker.take(rows)
        return [*found, *unplaced.take(rows, {fault.stream for fault in found})]

    async for faults in _scan(session, tenant_id, _ENTRIES, batch, entries):
        report.faults += faults
    report.faults += [*checker.end(), *erasures.end()]
    report.rows, faults = await compare(session, tenant_id, rows_said)
    report.faults += faults
    known = await _signed(session, tenant_id, signer, kept, report)
    grower = Grower(heads, known)
    async for faults in _scan(session, tenant_id, _LEAVES, batch, grower.take):
        report.faults += faults
    report.faults += grower.end()
    report.size = grower.size
    here = {note.size for where, note in known if where == DATABASE}
    outside = {note.size for where, note in known if where == OUTSIDE and note.size <= grower.size}
    report.missing = outside - here
    if (size := await log.size_of(session, tenant_id)) != grower.size:
        reason = f"the log says that it has {size} entries and has {grower.size}"
        report.faults.append(Fault(LOG, min(size, grower.size) + 1, reason))
    if not report.faults and await log.root_at(session, tenant_id, grower.size) != grower.root:
        report.faults.append(
            Fault(LOG, 1, "the stored nodes of the tree are not those of its leaves")
        )
    return report


class Unplaced:
    """Finds the first entry of each stream that the log does not hold as it is."""

    def __init__(self) -> None:
        self._named: set[str] = set()

    def take(self, rows: Iterable[tuple[Any, ...]], broken: set[str]) -> list[Fault]:
        """Go on with the next entries, each with its leaf's hash and whether it waits for one.

        Streams that are known as ``broken`` are not named again.
        """
        self._named |= broken
        faults = []
        for row in rows:
            leaf, waiting = row[-2:]
            if leaf is None:
                if waiting is not None:
                    continue
                reason = "the entry has no place in the log"
            elif leaf == leaf_hash(row[-3]):
                continue
            else:
                reason = "the log holds another hash for the entry"
            stream, seq = row[1:3]
            if stream not in self._named:
                self._named.add(stream)
                faults.append(Fault(stream, seq, reason))
        return faults


async def _sizes(session: AsyncSession, tenant_id: UUID) -> set[int]:
    return set(await session.scalars(select(SignedCheckpoint.size).filter_by(tenant_id=tenant_id)))


async def _signed(
    session: AsyncSession,
    tenant_id: UUID,
    signer: Signer | None,
    kept: list[str],
    report: Report,
) -> list[tuple[str, Checkpoint]]:
    rows = list(
        await session.scalars(
            select(SignedCheckpoint).filter_by(tenant_id=tenant_id).order_by(SignedCheckpoint.size)
        )
    )
    found, faults = await asyncio.to_thread(_proven, rows, tenant_id, signer, kept)
    report.faults += faults
    report.checkpoints = len({item.size for _, item in found})
    return found


def _proven(
    rows: Sequence[SignedCheckpoint], tenant_id: UUID, signer: Signer | None, kept: list[str]
) -> tuple[list[tuple[str, Checkpoint]], list[Fault]]:
    """Return the checkpoints whose signatures hold; a note kept in both places is verified once."""
    own = signer.verifier(tenant_id) if signer else None
    found: list[tuple[str, Checkpoint]] = []
    faults: list[Fault] = []
    by_note: dict[str, Checkpoint] = {}
    for row in rows:
        good, bad = tree.signed(DATABASE, [row.note], own or row.key)
        faults += bad
        for where, note in good:
            found.append((where, note))
            by_note[row.note] = note
            if (row.size, row.root) != (note.size, note.root):
                reason = "a checkpoint's columns are not its note's"
                faults.append(Fault(LOG, row.size, reason))
    if own is not None:
        found += [(OUTSIDE, by_note[note]) for note in kept if note in by_note]
        good, bad = tree.signed(OUTSIDE, (note for note in kept if note not in by_note), own)
        found += good
        faults += bad
    return found, faults


async def _scan(
    session: AsyncSession,
    tenant_id: UUID,
    query: LiteralString,
    batch: int,
    check: Callable[[list[tuple[Any, ...]]], list[Fault]],
) -> AsyncIterator[list[Fault]]:
    """Read in batches through a cursor of the server's; it makes the next while one is checked.

    It is asked for the next before the check begins, and a batch is about what a socket holds:
    neither has to wait until this process, of which but one thread runs at a time, reads again.
    """
    connection = await driver(session)
    async with connection.cursor("audit", binary=True) as cursor:
        await cursor.execute(query, {"tenant": tenant_id})
        rows = await cursor.fetchmany(batch)
        while rows:
            fetching = asyncio.ensure_future(cursor.fetchmany(batch))
            await asyncio.sleep(0)
            faults = await asyncio.to_thread(check, rows)
            rows = await fetching
            yield faults


async def logged(session: AsyncSession) -> set[UUID]:
    """Return every tenant of which there is an entry, a stream or a checkpoint."""
    found: set[UUID] = set()
    for column in (AuditEntry.tenant_id, Stream.tenant_id, SignedCheckpoint.tenant_id):
        found |= set(await session.scalars(select(column).distinct()))
    return found
