"""The check of a whole log's chains, stream by stream: pure.

Nearly every entry is what the server wrote, byte for byte: one look decides that. Only where the
look does not is the entry taken apart, to say what is wrong or that it means the same.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import orjson

from app.audit.chain import GENESIS, Entry, Fault, flaw, named, version_of

_FIELDS = len(Entry._fields)
_SORTED = orjson.OPT_SORT_KEYS


def holds(previous: bytes, row: tuple[Any, ...]) -> bool:
    """Say at a glance whether an entry follows ``previous`` and is what its columns make.

    Where this says no, it may hold yet: numbers and the order of names have more than one form,
    times without fractions too, and of what was erased only the commitment is left.
    """
    (
        tenant, stream, seq, at, actor, actor_name, action, details, version, body, personal, salt,
        hash_, *_,
    ) = row  # fmt: skip
    try:
        written: bytes = body.encode()
        if hashlib.sha256(previous + written).digest() != hash_:
            return False
        found = orjson.loads(details)
        said = {
            "action": action,
            "actor": actor,
            "at": at,
            "details": found,
            "personal": hashlib.sha256(salt + personal.encode()).hexdigest(),
            "seq": seq,
            "stream": stream,
            "tenant": tenant,
        }
        if orjson.dumps(said, option=_SORTED) != written or actor_name != "":
            return False
        return bool(version == version_of(stream, named(found)))
    except (ValueError, TypeError, AttributeError):
        return False


class Checker:
    """Finds the first fault of each broken stream.

    It takes one tenant's entries, ordered by stream and number, batch by batch, each as a row that
    begins with the fields of ``Entry``; ``heads`` give each stream's last number and hash as the
    writer kept them.
    """

    def __init__(self, heads: dict[str, tuple[int, bytes]]) -> None:
        self._heads = heads
        self._seen: set[str] = set()
        self._stream: str | None = None
        self._seq, self._last, self._broken = 0, GENESIS, False

    def take(self, rows: Iterable[tuple[Any, ...]]) -> list[Fault]:
        """Go on with the next entries; return what is wrong with them."""
        faults = []
        for row in rows:
            if row[1] != self._stream:
                faults += self._end_stream()
                self._begin(row[1])
            if self._broken:
                continue
            if row[2] != self._seq + 1:
                faults.append(self._missing(row[1]))
            elif not holds(self._last, row) and (reason := self._flaw(row)) is not None:
                self._broken = True
                faults.append(Fault(row[1], row[2], reason))
            self._seq, self._last = row[2], row[_FIELDS - 1]
        return faults

    def _flaw(self, row: tuple[Any, ...]) -> str | None:
        return flaw(self._last, Entry(*row[:_FIELDS]))

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

    def _missing(self, stream: str) -> Fault:
        self._broken = True
        return Fault(stream, self._seq + 1, f"entry {self._seq + 1} is missing")

    def _end_stream(self) -> list[Fault]:
        if self._stream is None or self._broken:
            return []
        head = self._heads.get(self._stream)
        if head is None:
            return [Fault(self._stream, self._seq, "the stream has entries but no head")]
        if head[0] > self._seq:
            return [self._missing(self._stream)]
        if head != (self._seq, self._last):
            sentence = "the stream's head does not match its last entry"
            return [Fault(self._stream, self._seq, sentence)]
        return []
