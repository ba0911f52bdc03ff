"""The hash chain of one stream: pure.

``hash(n) = SHA-256(hash(n-1) || body of entry n)``, with 32 zero bytes before the first. The body
is canonical JSON (RFC 8785) of the whole entry. The stream's name and the entry's number are part
of it, so that an entry cannot be moved to another place or another stream.

Personal data (the actor's name, what people wrote) stands beside the body, which holds only
``SHA-256(salt || personal)``: it can be erased, salt and all, and the chain still holds.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from app.kit.canonical import canonical

GENESIS = bytes(32)
_SORTED = orjson.OPT_SORT_KEYS


class Entry(NamedTuple):
    """One entry as it is stored; ids are text here, as in its body."""

    tenant_id: str
    stream: str
    seq: int
    at: datetime
    actor_id: str
    actor_name: str
    """Of an entry from before there was a body; now the name is personal data."""
    action: str
    details: str
    """JSON, as the database writes it."""
    version_id: str | None
    body: str | None
    personal: str | None
    """Canonical JSON, or nothing once it was erased."""
    salt: bytes | None
    hash: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """The first entry that does not hold, and why."""

    stream: str
    seq: int
    reason: str


def commitment(salt: bytes, personal: str) -> str:
    """Return what a body holds of personal data."""
    return hashlib.sha256(salt + personal.encode()).hexdigest()


@lru_cache(maxsize=4096)
def version_of(stream: str, named: str | None) -> str | None:
    """Return the model version an entry is about: its stream's, or the one its details name."""
    kind, _, name = stream.partition(":")
    try:
        return str(UUID(name if kind == "version" else named or ""))
    except ValueError:
        return None


def flaw(previous: bytes, entry: Entry) -> str | None:
    """Return what is wrong with the entry that follows ``previous``, if anything.

    Whoever edits rows may leave anything in them: what cannot be read is a fault as well.
    """
    try:
        return _flaw(previous, entry)
    except (ValueError, TypeError, AttributeError, ArithmeticError, RecursionError):
        return "the entry cannot be read"


def _flaw(previous: bytes, entry: Entry) -> str | None:
    body = body_of(entry)
    if hashlib.sha256(previous + body).digest() != entry.hash:
        return "the entry does not match its hash"
    return None if entry.body is None else _unsaid(entry, body)


def _unsaid(entry: Entry, body: bytes) -> str | None:
    """Return what stands beside the body and is not what the body says."""
    try:
        said = orjson.loads(body)
        details, kept = said["details"], said["personal"]
        alike = (
            said["tenant"] == entry.tenant_id
            and said["stream"] == entry.stream
            and said["seq"] == entry.seq
            and said["actor"] == entry.actor_id
            and said["action"] == entry.action
            and datetime.fromisoformat(said["at"]) == entry.at
            and _same(details, orjson.loads(entry.details))
        )
    except (orjson.JSONDecodeError, TypeError, KeyError, ValueError):
        return "the entry's body cannot be read"
    if not alike:
        return "the entry's columns do not say what was hashed"
    if entry.version_id != version_of(entry.stream, named(details)):
        return "the entry is filed under another version"
    return _betrayed(entry, kept)


def _betrayed(entry: Entry, kept: Any) -> str | None:
    """Return what is wrong with the personal data beside a body, or what is left of it."""
    if entry.actor_name != "":
        return "the entry has a name beside its personal data"
    if (entry.personal is None) != (entry.salt is None):
        return "the personal data is there by half"
    if entry.personal is None or entry.salt is None:
        return None
    if commitment(entry.salt, entry.personal) != kept:
        return "the personal data is not what was committed to"
    return None


def named(details: dict[str, Any]) -> str | None:
    """Return the version that an entry's details name."""
    found = details.get("version_id")
    return found if isinstance(found, str) else None


def time_of(at: datetime) -> str:
    """Return a time as bodies write it: UTC, to the microsecond."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _said_by(entry: Entry, **more: Any) -> dict[str, Any]:
    return more | {
        "tenant": entry.tenant_id,
        "stream": entry.stream,
        "seq": entry.seq,
        "at": time_of(entry.at),
        "actor": entry.actor_id,
        "action": entry.action,
        "details": orjson.loads(entry.details),
    }


def _same(one: Any, other: Any) -> bool:
    """Compare as text, for JSON tells 1 from true and Python does not.

    The database may have written a number in another form of the same worth: what differs at
    first sight is compared in its canonical form.
    """
    try:
        alike = orjson.dumps(one, option=_SORTED) == orjson.dumps(other, option=_SORTED)
    except orjson.JSONEncodeError:
        alike = False
    return alike or canonical(one) == canonical(other)


def body_of(entry: Entry) -> bytes:
    """Return what is hashed of an entry; before bodies were kept, the name was part of it."""
    if entry.body is not None:
        return entry.body.encode()
    return canonical(_said_by(entry, name=entry.actor_name))
