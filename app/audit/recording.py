"""Recording: an entry commits with the act it tells of.

One statement for all entries of a transaction that are told at once: it takes the streams' row
locks, reads the clock under them, puts number and time into each body, hashes it after the head,
appends it and moves the head. Streams are one per aggregate, so writers meet only where they
change the same thing.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from app.audit.chain import GENESIS
from app.audit.sealing import mould
from app.audit.vouching import ROWS, unsaid
from app.kit.actor import Actor
from app.kit.canonical import plain

_SALT_BYTES = 16
_APPEND: LiteralString = """
WITH asked AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(entries)s::jsonb) AS asked(
        stream text, head text, middle text, tail text, actor uuid, action text, details jsonb,
        version uuid, personal text, salt text
    )
), held AS MATERIALIZED (
    SELECT name, seq, hash FROM audit_stream
    WHERE tenant_id = %(tenant)s AND name IN (SELECT stream FROM asked) ORDER BY name FOR UPDATE
), place AS MATERIALIZED (
    SELECT stream, coalesce(h.seq, 0) + 1 AS seq, coalesce(h.hash, %(genesis)s) AS previous,
        clock_timestamp() AS at
    FROM asked LEFT JOIN held h ON h.name = asked.stream
), body AS MATERIALIZED (
    SELECT stream, seq, at, previous, head
        || to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') || '+00:00'
        || middle || seq || tail AS body
    FROM place JOIN asked USING (stream)
), entry AS MATERIALIZED (
    SELECT stream, seq, at, body, sha256(previous || convert_to(body, 'UTF8')) AS hash FROM body
), moved AS (
    INSERT INTO audit_stream AS s (tenant_id, name, seq, hash)
    SELECT %(tenant)s, stream, seq, hash FROM entry ORDER BY stream
    ON CONFLICT (tenant_id, name) DO UPDATE SET seq = excluded.seq, hash = excluded.hash
    WHERE s.seq = excluded.seq - 1
    RETURNING s.name AS stream
)
INSERT INTO audit_entry (tenant_id, stream, seq, at, actor_id, actor_name, action, details,
    version_id, body, personal, salt, hash)
SELECT %(tenant)s, stream, seq, at, actor, '', action, details, version, body, personal,
    decode(salt, 'hex'), hash
FROM entry JOIN moved USING (stream) JOIN asked USING (stream)
RETURNING stream
"""
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What an entry is made of."""

    actor: Actor
    action: str
    stream: str
    details: dict[str, Any]
    personal: dict[str, Any] = field(default_factory=dict)
    """What may have to be erased one day: names, and what people wrote."""
    wrote: dict[str, str] = field(default_factory=dict)
    """Fingerprints of governed rows that a statement over many wrote, by ``vouching.row_key``."""


async def record(
    session: AsyncSession,
    actor: Actor,
    action: str,
    stream: str,
    *,
    personal: dict[str, Any] | None = None,
    **details: Any,
) -> None:
    """Append an entry to ``stream`` within the caller's transaction.

    It vouches for the governed rows that were written since the entry before, by fingerprint.
    ``personal`` is what may have to be erased one day: names, and what people wrote. The entry's
    hash covers it through a salted commitment. The actor's own name is always part of it.
    """
    act = Act(actor=actor, action=action, stream=stream, details=details, personal=personal or {})
    await session.run_sync(_record, act)


async def record_all(session: AsyncSession, tenant_id: UUID, acts: Sequence[Act]) -> None:
    """Append an entry of one tenant to each of several streams, by one statement.

    No two are of one stream. Their rows are those they name: what was written by way of the
    session waits for the entry that follows.
    """
    if acts:
        await session.run_sync(_append, tenant_id, [_entry(act) for act in acts])


def _record(session: Session, act: Act) -> None:
    session.flush()
    tenant_id = act.actor.tenant_id
    rows, private = unsaid(session, tenant_id)
    _append(session, tenant_id, [_entry(act, rows, private)])


def _entry(
    act: Act, rows: dict[str, str | None] | None = None, private: dict[str, str] | None = None
) -> dict[str, Any]:
    """Return an entry but for its place, as the statement takes it."""
    said, personal = plain(act.details), plain(act.personal)
    wrote = {**act.wrote, **(rows or {})}
    if wrote:
        said[ROWS] = said.get(ROWS, {}) | wrote
    if private:
        personal = {**personal, ROWS: private}
    salt = secrets.token_bytes(_SALT_BYTES)
    made = mould(
        tenant_id=act.actor.tenant_id,
        stream=act.stream,
        actor_id=act.actor.id,
        action=act.action,
        details=said,
        personal={"actor": act.actor.name, **personal},
        salt=salt,
    )
    return {
        "stream": act.stream,
        "head": made.head,
        "middle": made.middle,
        "tail": made.tail,
        "actor": act.actor.id,
        "action": act.action,
        "details": said,
        "version": made.version_id,
        "personal": made.personal,
        "salt": salt.hex(),
    }


def _append(session: Session, tenant_id: UUID, entries: list[dict[str, Any]]) -> None:
    connection = session.connection()
    values: dict[str, Any] = {"tenant": tenant_id, "genesis": GENESIS}
    for _ in range(_ATTEMPTS):
        # Nothing is appended if another began the stream meanwhile: the next turn sees its entry.
        values["entries"] = orjson.dumps(entries).decode()
        appended = set(connection.exec_driver_sql(_APPEND, values).scalars())
        entries = [entry for entry in entries if entry["stream"] not in appended]
        if not entries:
            return
    raise RuntimeError(f"The stream {entries[0]['stream']} could not be extended.")
