"""Recording: an entry commits with the act it tells of.

One statement an entry: it takes the stream's row lock, reads the clock under it, puts number and
time into the body, hashes it after the head, appends it and moves the head. Streams are one per
aggregate, so writers meet only where they change the same thing.
"""

import secrets
from typing import Any, LiteralString

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
WITH head AS MATERIALIZED (
    SELECT seq, hash FROM audit_stream
    WHERE tenant_id = %(tenant)s AND name = %(stream)s FOR UPDATE
), place AS MATERIALIZED (
    SELECT h.seq + 1 AS seq, h.hash AS previous, clock_timestamp() AS at
    FROM (
        SELECT * FROM head UNION ALL SELECT 0, %(genesis)s WHERE NOT EXISTS (SELECT FROM head)
    ) AS h
), body AS MATERIALIZED (
    SELECT seq, at, previous, %(head)s
        || to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') || '+00:00'
        || %(middle)s || seq || %(tail)s AS body
    FROM place
), entry AS MATERIALIZED (
    SELECT seq, at, body, sha256(previous || convert_to(body, 'UTF8')) AS hash FROM body
), moved AS (
    INSERT INTO audit_stream AS s (tenant_id, name, seq, hash)
    SELECT %(tenant)s, %(stream)s, seq, hash FROM entry
    ON CONFLICT (tenant_id, name) DO UPDATE SET seq = excluded.seq, hash = excluded.hash
    WHERE s.seq = excluded.seq - 1
    RETURNING s.seq
)
INSERT INTO audit_entry (tenant_id, stream, seq, at, actor_id, actor_name, action, details,
    version_id, body, personal, salt, hash)
SELECT %(tenant)s, %(stream)s, seq, at, %(actor)s, '', %(action)s, %(details)s,
    %(version)s, body, %(personal)s, %(salt)s, hash
FROM entry JOIN moved USING (seq)
"""
_ATTEMPTS = 3


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
    await session.run_sync(_record, actor, action, stream, plain(personal or {}), plain(details))


def _record(
    session: Session,
    actor: Actor,
    action: str,
    stream: str,
    personal: dict[str, Any],
    said: dict[str, Any],
) -> None:
    session.flush()
    rows, private = unsaid(session, actor.tenant_id)
    if rows:
        said[ROWS] = said.get(ROWS, {}) | rows
    if private:
        personal = {**personal, ROWS: private}
    salt = secrets.token_bytes(_SALT_BYTES)
    made = mould(
        tenant_id=actor.tenant_id,
        stream=stream,
        actor_id=actor.id,
        action=action,
        details=said,
        personal={"actor": actor.name, **personal},
        salt=salt,
    )
    values = {
        "tenant": actor.tenant_id,
        "stream": stream,
        "genesis": GENESIS,
        "head": made.head,
        "middle": made.middle,
        "tail": made.tail,
        "actor": actor.id,
        "action": action,
        "details": orjson.dumps(said).decode(),
        "version": made.version_id,
        "personal": made.personal,
        "salt": salt,
    }
    connection = session.connection()
    for _ in range(_ATTEMPTS):
        # Nothing is appended if another began the stream meanwhile: the next turn sees its entry.
        if connection.exec_driver_sql(_APPEND, values).rowcount:
            return
    raise RuntimeError(f"The stream {stream} could not be extended.")
