"""The hash chain of one stream: pure.

``hash(n) = SHA-256(hash(n-1) || canonical JSON of entry n)``, with 32 zero bytes before the first.
The stream's name and the entry's number are part of the hashed text, so that an entry cannot be
moved to another place or another stream.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.kit.canonical import canonical

GENESIS = bytes(32)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it is hashed; ``hash`` is what was stored for it."""

    tenant_id: UUID
    stream: str
    seq: int
    at: datetime
    actor_id: UUID
    actor_name: str
    action: str
    details: dict[str, Any]
    hash: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """The first entry of a stream that does not hold, and why."""

    stream: str
    seq: int
    reason: str


def link(
    previous: bytes,
    *,
    tenant_id: UUID,
    stream: str,
    seq: int,
    at: datetime,
    actor_id: UUID,
    actor_name: str,
    action: str,
    details: dict[str, Any],
) -> bytes:
    """Return the hash of an entry that follows ``previous``. ``details`` is plain JSON."""
    text = {
        "tenant": str(tenant_id),
        "stream": stream,
        "seq": seq,
        "at": at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": str(actor_id),
        "name": actor_name,
        "action": action,
        "details": details,
    }
    return hashlib.sha256(previous + canonical(text)).digest()


def link_entry(previous: bytes, entry: Entry) -> bytes:
    """Return the hash that ``entry`` must have after ``previous``."""
    return link(
        previous,
        tenant_id=entry.tenant_id,
        stream=entry.stream,
        seq=entry.seq,
        at=entry.at,
        actor_id=entry.actor_id,
        actor_name=entry.actor_name,
        action=entry.action,
        details=entry.details,
    )


def check(entries: Iterable[Entry], heads: dict[str, tuple[int, bytes]]) -> Iterator[Fault]:
    """Yield the first fault of each broken stream.

    ``entries`` are one tenant's, ordered by stream and number; ``heads`` give each stream's last
    number and hash as the writer kept them.
    """
    stream, seq, last, broken = "", 0, GENESIS, False
    seen: set[str] = set()
    for entry in entries:
        if entry.stream != stream:
            yield from _end(stream, seq, last, heads, broken=broken)
            stream, seq, last, broken = entry.stream, 0, GENESIS, False
            seen.add(stream)
        if broken:
            continue
        if entry.seq != seq + 1:
            broken = True
            yield Fault(stream, seq + 1, f"entry {seq + 1} is missing")
        elif link_entry(last, entry) != entry.hash:
            broken = True
            yield Fault(stream, entry.seq, "the entry does not match its hash")
        seq, last = entry.seq, entry.hash
    yield from _end(stream, seq, last, heads, broken=broken)
    for name in sorted(heads.keys() - seen):
        yield Fault(name, 1, "every entry of the stream is missing")


def _end(
    stream: str, seq: int, last: bytes, heads: dict[str, tuple[int, bytes]], *, broken: bool
) -> Iterator[Fault]:
    if not stream or broken:
        return
    head = heads.get(stream)
    if head is None:
        yield Fault(stream, seq, "the stream has entries but no head")
    elif head[0] > seq:
        yield Fault(stream, seq + 1, f"entry {seq + 1} is missing")
    elif head != (seq, last):
        yield Fault(stream, seq, "the stream's head does not match its last entry")
