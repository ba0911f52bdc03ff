"""What an Arrow stream says of itself, read before any of it is opened. Pure.

Lengths in it are the sender's word: a buffer that calls itself terabytes long when unpacked, a
dictionary of a thousand million nothings, a thousand columns over the same bytes. So the messages'
heads are read here, by the layout that the format fixes (arrow.apache.org/docs/format, "IPC
Streaming Format"; FlatBuffers tables), and what an honest batch does not need is refused.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from app.kit.refusal import Kind, Malformed, Refusal, TooLarge

MAX_BATCHES = 16
MAX_BUFFERS = 20_000
MAX_DICTIONARY_BYTES = 4 << 20
MAX_DICTIONARY_ROWS = 100_000
_MAX_DICTIONARIES = 4_000
_CONTINUES = b"\xff\xff\xff\xff"
_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3
_BYTE, _SIGNED, _UNSIGNED = struct.Struct("<B"), struct.Struct("<i"), struct.Struct("<I")
_SHORT, _LONG = struct.Struct("<H"), struct.Struct("<q")
_BUFFER = struct.Struct("<qq")


class Packed(Refusal):
    """The stream's buffers are compressed one by one."""

    kind = Kind.UNSUPPORTED
    code = "arrow_compressed"
    title = "Compressed Arrow buffers"
    mend = "Write the stream without compression, and send it with Content-Encoding: gzip."


@dataclass(frozen=True, slots=True)
class _Table:
    """A FlatBuffers table: where it lies in a message's head, and the offsets of its fields."""

    head: memoryview
    at: int

    def field(self, number: int) -> int | None:
        """Return where a field stands, if it is there."""
        entries = self.at - self._of(_SIGNED, self.at)
        if 4 + 2 * number >= self._of(_SHORT, entries):
            return None
        offset = self._of(_SHORT, entries + 4 + 2 * number)
        return self.at + offset if offset else None

    def long(self, number: int) -> int:
        """Return a field of eight bytes, 0 by default."""
        at = self.field(number)
        return 0 if at is None else self._of(_LONG, at)

    def kind(self, number: int) -> int:
        """Return a field of one byte, 0 by default."""
        at = self.field(number)
        return 0 if at is None else self._of(_BYTE, at)

    def table(self, number: int) -> "_Table":
        """Return a field that is a table."""
        at = self.field(number)
        if at is None:
            raise Malformed("A message of the Arrow stream lacks its head.")
        return _Table(self.head, at + self._of(_UNSIGNED, at))

    def buffers(self, number: int) -> list[tuple[int, int]]:
        """Return a field that is a list of offsets and lengths."""
        at = self.field(number)
        if at is None:
            return []
        at += self._of(_UNSIGNED, at)
        count = self._of(_UNSIGNED, at)
        if count > MAX_BUFFERS:
            raise TooLarge(f"A batch of the Arrow stream has more than {MAX_BUFFERS} buffers.")
        return list(_BUFFER.iter_unpack(self.head[at + 4 : at + 4 + count * _BUFFER.size]))

    def _of(self, kind: struct.Struct, at: int) -> int:
        if at < 0:
            raise Malformed("A message of the Arrow stream points outside of itself.")
        found: int = kind.unpack_from(self.head, at)[0]
        return found


@dataclass(slots=True)
class _Seen:
    """What was in a stream so far."""

    most: int
    rows: int = 0
    batches: int = 0
    dictionaries: int = 0
    dictionary_rows: int = 0
    dictionary_bytes: int = 0

    def take(self, message: _Table, length: int) -> None:
        """Count a message with a body of ``length`` bytes; refuse what is too much."""
        kind = message.kind(1)
        if kind == _BATCH:
            self.batches += 1
            self.rows += _require_batch(message.table(2), length)
        elif kind == _DICTIONARY:
            self.dictionaries += 1
            self.dictionary_bytes += length
            self.dictionary_rows += _require_batch(message.table(2).table(1), length)
        elif kind != _SCHEMA:
            raise Malformed("The Arrow stream holds something else than rows.")
        if self.rows > self.most:
            raise TooLarge(f"The Arrow stream has more than {self.most} rows.", limit=self.most)
        if self.batches > MAX_BATCHES:
            raise TooLarge(f"The Arrow stream has more than {MAX_BATCHES} record batches.")
        if (
            self.dictionaries > _MAX_DICTIONARIES
            or self.dictionary_rows > MAX_DICTIONARY_ROWS
            or self.dictionary_bytes > MAX_DICTIONARY_BYTES
        ):
            raise TooLarge(
                f"The Arrow stream's dictionaries have more than {MAX_DICTIONARY_ROWS} entries or"
                f" {MAX_DICTIONARY_BYTES} bytes."
            )


def require_honest(raw: bytes, *, rows: int) -> int:
    """Refuse a stream that is cut off, too long, or not what it says; return how many rows it has.

    ``rows`` is how many may be in it.
    """
    seen = _Seen(rows)
    try:
        for message, length in _messages(memoryview(raw)):
            seen.take(message, length)
    except struct.error as error:
        raise Malformed("The Arrow stream is broken.") from error
    return seen.rows


def _messages(raw: memoryview) -> Iterator[tuple[_Table, int]]:
    """Yield the head of each message and the length of its body, up to the end that is marked."""
    at = 0
    while bytes(raw[at : at + 4]) == _CONTINUES and len(raw) >= at + 8:
        size = _SIGNED.unpack_from(raw, at + 4)[0]
        at += 8
        if size == 0:
            if at != len(raw):
                raise Malformed("Something stands behind the end of the Arrow stream.")
            return
        if size < 0 or at + size > len(raw):
            raise Malformed("The Arrow stream is cut off.")
        head = raw[at : at + size]
        message = _Table(head, _UNSIGNED.unpack_from(head, 0)[0])
        length = message.long(3)
        at += size + length
        if length < 0 or at > len(raw):
            raise Malformed("The Arrow stream is cut off.")
        yield message, length
    raise Malformed("The body is not an Arrow IPC stream, or is cut off.")


def _require_batch(batch: _Table, length: int) -> int:
    """Refuse a batch whose buffers are not each in its body for itself; return its rows."""
    if batch.field(3) is not None:
        raise Packed("The Arrow stream's buffers are compressed.")
    rows = batch.long(0)
    buffers = batch.buffers(2)
    if rows < 0 or any(start < 0 or size < 0 or start + size > length for start, size in buffers):
        raise Malformed("A batch of the Arrow stream points outside of itself.")
    filled = sorted((start, start + size) for start, size in buffers if size)
    if any(start < end for (_, end), (start, _) in pairwise(filled)):
        raise Malformed("Columns of the Arrow stream lie over each other.")
    return rows
