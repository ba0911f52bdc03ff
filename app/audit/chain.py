"""The hash chain of one stream: pure.

``hash(n) = SHA-256(hash(n-1) || canonical JSON of entry n)``, with 32 zero bytes before the first.
The stream's name and the entry's number are part of the hashed text, so that an entry cannot be
moved to another place or another stream.
"""

import hashlib
from collections.abc import Iterable
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


class Checker:
    """Finds the first fault of each broken stream.

    It takes one tenant's entries, ordered by stream and number, batch by batch; ``heads`` give
    each stream's last number and hash as the writer kept them.
    """

    def __init__(self, heads: dict[str, tuple[int, bytes]]) -> None:
        self._heads = heads
        self._seen: set[str] = set()
        self._stream, self._seq, self._last, self._broken = "", 0, GENESIS, False

    def take(self, entries: Iterable[Entry]) -> list[Fault]:
        """Go on with the next entries; return what is wrong with them."""
        faults = []
        for entry in entries:
            if entry.stream != self._stream:
                faults += self._end_stream()
                self._begin(entry.stream)
            if self._broken:
                continue
            if entry.seq != self._seq + 1:
                faults.append(self._missing())
            elif link_entry(self._last, entry) != entry.hash:
                self._broken = True
                faults.append(Fault(entry.stream, entry.seq, "the entry does not match its hash"))
            self._seq, self._last = entry.seq, entry.hash
        return faults

    def end(self) -> list[Fault]:
        """Return what is wrong with the ends."""
        gone = sorted(self._heads.keys() - self._seen)
        return [
            *self._end_stream(),
            *(Fault(name, 1, "every entry of the stream is missing") for name in gone),
        ]

    def _begin(self, stream: str) -> None:
        self._stream, self._seq, self._last, self._broken = stream, 0, GENESIS, False
        self._seen.add(stream)

    def _missing(self) -> Fault:
        self._broken = True
        return Fault(self._stream, self._seq + 1, f"entry {self._seq + 1} is missing")

    def _end_stream(self) -> list[Fault]:
        if not self._stream or self._broken:
            return []
        head = self._heads.get(self._stream)
        if head is None:
            return [Fault(self._stream, self._seq, "the stream has entries but no head")]
        if head[0] > self._seq:
            return [self._missing()]
        if head != (self._seq, self._last):
            sentence = "the stream's head does not match its last entry"
            return [Fault(self._stream, self._seq, sentence)]
        return []
