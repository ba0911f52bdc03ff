"""Verification of an exported log with nothing but the public key: pure, no database.

The export is not believed in anything: chains, tree and signatures are computed from the bodies
of its entries. What it leaves out shows against any checkpoint that was kept elsewhere.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.audit import checkpoint as notes
from app.audit import merkle
from app.audit.chain import GENESIS, Fault, commitment
from app.audit.checkpoint import BadNote
from app.audit.erasures import Erasures
from app.audit.tree import LOG


@dataclass(slots=True)
class Reading:
    """What the check of an export found."""

    entries: int = 0
    signed: int = 0
    """Entries under the newest checkpoint that holds."""
    erased: int = 0
    fault: Fault | None = None
    erasures: Erasures = field(default_factory=Erasures)
    _streams: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    _tree: merkle.Frontier = field(default_factory=merkle.Frontier)

    @property
    def ok(self) -> bool:
        """Whether everything holds, some of it signed."""
        return self.fault is None


def verify_export(lines: Iterable[bytes], key: str, kept: Iterable[str] = ()) -> Reading:
    """Check an export up to its first fault.

    ``key`` is the log's public key as it was handed on, ``kept`` are notes kept elsewhere.
    """
    reading = Reading()
    try:
        waiting = sorted((notes.verify(note, key) for note in kept), key=lambda item: item.size)
    except BadNote as error:
        reading.fault = Fault(LOG, 0, f"a checkpoint that was kept: {error}")
        return reading
    for line in lines:
        reading.fault = _take(reading, line, key)
        while reading.fault is None and waiting and waiting[0].size == reading.entries:
            reading.fault = _compare(reading, waiting.pop(0), "a checkpoint that was kept")
        if reading.fault is not None:
            return reading
    if waiting:
        first, size = reading.entries + 1, waiting[-1].size
        reason = f"entries {first} to {size} are gone: a checkpoint over them was kept"
        reading.fault = Fault(LOG, first, reason)
    elif reading.signed < reading.entries or not reading.signed:
        first = reading.signed + 1
        reading.fault = Fault(LOG, first, f"no checkpoint is over the entries from {first} on")
    else:
        reading.fault = next(iter(reading.erasures.end()), None)
    return reading


def _take(reading: Reading, line: bytes, key: str) -> Fault | None:
    number = reading.entries + 1
    try:
        item = orjson.loads(line)
        kind = item["kind"]
        if kind == "entry":
            return _entry(reading, item, number, key)
        if kind == "checkpoint":
            return _compare(reading, notes.verify(item["note"], key), "a checkpoint")
    except BadNote as error:
        return Fault(LOG, reading.entries, f"a checkpoint: {error}")
    except (KeyError, TypeError, ValueError, AttributeError):
        return Fault(LOG, number, "a line cannot be read")
    return None if kind == "log" else Fault(LOG, number, f"a line of unknown kind {kind!r}")


def _entry(reading: Reading, item: dict[str, Any], number: int, key: str) -> Fault | None:
    body = item["body"].encode()
    said = orjson.loads(body)
    stream, seq = said["stream"], said["seq"]
    if not key.partition("+")[0].endswith(f"/{said['tenant']}"):
        return Fault(stream, seq, "the entry is of another log")
    if item["index"] != reading.entries:
        return Fault(LOG, number, f"entry {number} of the log is missing")
    last, previous = reading._streams.get(stream, (0, GENESIS))  # noqa: SLF001 - its own check
    if seq != last + 1:
        return Fault(stream, last + 1, f"entry {last + 1} is missing")
    hash_ = hashlib.sha256(previous + body).digest()
    if hash_.hex() != item["hash"]:
        return Fault(stream, seq, "the entry does not match its hash")
    if item["personal"] is None:
        reading.erased += "personal" in said
    elif commitment(bytes.fromhex(item["salt"]), item["personal"]) != said["personal"]:
        return Fault(stream, seq, "the personal data is not what was committed to")
    if "personal" in said:
        gone = item["personal"] is None
        reading.erasures.note(stream, seq, said["actor"], said["action"], gone=gone)
    reading._streams[stream] = (seq, hash_)  # noqa: SLF001 - likewise
    reading._tree.append(merkle.leaf_hash(hash_))  # noqa: SLF001 - likewise
    reading.entries += 1
    return None


def _compare(reading: Reading, signed: notes.Checkpoint, where: str) -> Fault | None:
    first = reading.signed + 1
    if signed.size != reading.entries:
        gone = reading.entries + 1
        return Fault(LOG, gone, f"entries {gone} to {signed.size} are gone: {where} is over them")
    if signed.root != reading._tree.root:  # noqa: SLF001 - likewise
        reason = f"entries {first} to {signed.size} are not those that were signed"
        return Fault(LOG, first, reason)
    reading.signed = signed.size
    return None
