"""How an entry is made, up to what only its place in the chain can say: pure.

Number, time and the hash before it are known where the stream's row is locked. The rest of the
body is written beforehand, so that the database puts in these three and hashes, by one statement.
"""

import hashlib
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from app.audit.chain import Entry, commitment, named, time_of, version_of
from app.kit.canonical import canonical


class Mould(NamedTuple):
    """An entry without its place; its body is canonical JSON in three parts."""

    head: str
    middle: str
    tail: str
    personal: str
    version_id: str | None

    def body(self, seq: int, at: datetime) -> str:
        """Return the body of the stream's entry number ``seq``, made at ``at``."""
        return f"{self.head}{time_of(at)}{self.middle}{seq}{self.tail}"


def mould(
    *,
    tenant_id: UUID,
    stream: str,
    actor_id: UUID,
    action: str,
    details: dict[str, Any],
    personal: dict[str, Any],
    salt: bytes,
) -> Mould:
    """Return an entry but for its place. ``details`` and ``personal`` are plain JSON."""
    private = canonical(personal).decode()
    # In the order of their names, as canonical JSON has them: `at` and `seq` stand between these.
    first = canonical({"action": action, "actor": str(actor_id)}).decode()
    second = canonical({"details": details, "personal": commitment(salt, private)}).decode()
    third = canonical({"stream": stream, "tenant": str(tenant_id)}).decode()
    return Mould(
        head=f'{first[:-1]},"at":"',
        middle=f'",{second[1:-1]},"seq":',
        tail=f",{third[1:]}",
        personal=private,
        version_id=version_of(stream, named(details)),
    )


def seal(
    previous: bytes,
    *,
    tenant_id: UUID,
    stream: str,
    seq: int,
    at: datetime,
    actor_id: UUID,
    action: str,
    details: dict[str, Any],
    personal: dict[str, Any],
    salt: bytes,
) -> Entry:
    """Return the entry that follows ``previous``: what the database makes of a mould."""
    made = mould(
        tenant_id=tenant_id, stream=stream, actor_id=actor_id, action=action,
        details=details, personal=personal, salt=salt,
    )  # fmt: skip
    body = made.body(seq, at)
    return Entry(
        str(tenant_id), stream, seq, at, str(actor_id), "", action, orjson.dumps(details).decode(),
        made.version_id, body, made.personal, salt,
        hashlib.sha256(previous + body.encode()).digest(),
    )  # fmt: skip
