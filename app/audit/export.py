"""The log as JSON lines, which anyone can verify with nothing but the public key."""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.chain import Entry, body_of
from app.audit.tables import AuditEntry, Leaf, SignedCheckpoint

_BATCH = 2000


async def export(session: AsyncSession, tenant_id: UUID) -> AsyncIterator[bytes]:
    """Yield a log in lumps of lines: entries in their order, each checkpoint where it was signed.

    ``session`` sees one moment. What is not signed yet is left out: nobody could verify it.
    """
    signed = await session.scalars(
        select(SignedCheckpoint).filter_by(tenant_id=tenant_id).order_by(SignedCheckpoint.size)
    )
    waiting = {row.size: row.note for row in signed}
    yield _line({"kind": "log", "tenant": tenant_id, "format": 1})
    size, end = 0, max(waiting, default=0)
    while size < end and (rows := await _read(session, tenant_id, size, end)):
        yield b"".join(_lines(rows, waiting))
        size = rows[-1][0] + 1
    # Whoever set the log back shows: these were signed over entries that are not here.
    gone = (note for at, note in waiting.items() if at > size)
    yield b"".join(_line({"kind": "checkpoint", "note": note}) for note in gone)


async def _read(
    session: AsyncSession, tenant_id: UUID, since: int, until: int
) -> list[tuple[int, AuditEntry]]:
    query = (
        select(Leaf.index, AuditEntry)
        .join(
            AuditEntry,
            (AuditEntry.tenant_id == Leaf.tenant_id)
            & (AuditEntry.stream == Leaf.stream)
            & (AuditEntry.seq == Leaf.seq),
        )
        .where(Leaf.tenant_id == tenant_id, Leaf.index >= since, Leaf.index < until)
    )
    rows = await session.execute(query.order_by(Leaf.index).limit(_BATCH))
    return [(row[0], row[1]) for row in rows]


def _lines(rows: list[tuple[int, AuditEntry]], waiting: dict[int, str]) -> Iterator[bytes]:
    for index, row in rows:
        entry = Entry(*(_plain(getattr(row, name)) for name in Entry._fields))
        yield _line(
            {
                "kind": "entry",
                "index": index,
                "body": body_of(entry).decode(),
                "hash": entry.hash.hex(),
                "personal": entry.personal,
                "salt": entry.salt.hex() if entry.salt else None,
            }
        )
        if (note := waiting.pop(index + 1, None)) is not None:
            yield _line({"kind": "checkpoint", "note": note})


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return orjson.dumps(value).decode()
    return str(value) if isinstance(value, UUID) else value


def _line(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value) + b"\n"
