"""Writing a batch: four statements, one commit.

1. Receipts: `INSERT … ON CONFLICT DO NOTHING RETURNING` is the one judge of what is new.
2. Raw events of the new ones, by binary COPY into the day's partition.
3. Outcomes that came before their events are put up for joining again.
4. Profile deltas of the new ones, appended.

No lock is held on anything two batches share, so that ingest scales with connections; the worker
folds deltas later. Receipts are inserted in order of id: two batches with common events wait for
each other, never in a circle.
"""

import struct
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import psycopg

from app.telemetry.events import Event
from app.telemetry.tables import ProfileKind
from app.telemetry.tally import Tally

_POSTGRES_EPOCH = 946_684_800_000_000  # 2000-01-01 in microseconds since 1970

_RECEIPTS = """
INSERT INTO telemetry_receipt (tenant_id, event_id, decision_id, series_id, at, score, prediction)
SELECT %(tenant)s, e, d, s, to_timestamp(0) + a * interval '1 microsecond', score, prediction
FROM unnest(%(event)s::uuid[], %(decision)s::uuid[], %(series)s::uuid[], %(at)s::bigint[],
            %(score)s::float8[], %(prediction)s::float8[]) AS u (e, d, s, a, score, prediction)
ON CONFLICT DO NOTHING
RETURNING event_id
"""
_COPY = """
COPY telemetry_event (tenant_id, event_id, received_at, series_id, at, latency_ms, plan_revision,
    generation, propensity, unit, decided_at, features) FROM STDIN (FORMAT BINARY)
"""
_AWAITED = """
UPDATE telemetry_outcome SET due_at = now()
WHERE tenant_id = %(tenant)s AND decision_id = ANY(%(decision)s::uuid[])
"""
_DELTAS = """
INSERT INTO telemetry_delta (tenant_id, series_id, kind, hour, n, payload)
VALUES (%s, %s, %s, %s, %s, %s)
"""
_SERIES = """
INSERT INTO telemetry_series (tenant_id, id, point_id, version_id, arm)
VALUES (%(tenant)s, %(id)s, %(point)s, %(version)s, %(arm)s)
ON CONFLICT (tenant_id, point_id, version_id, arm) DO NOTHING
"""
_FIND_SERIES = """
SELECT id FROM telemetry_series
WHERE tenant_id = %(tenant)s AND point_id = %(point)s AND version_id = %(version)s AND arm = %(arm)s
"""

Connection = psycopg.AsyncConnection[Any]


async def series_id(
    connection: Connection,
    tenant_id: UUID,
    point: bytes,
    version: bytes,
    arm: str,
    *,
    new: UUID,
) -> UUID:
    """Return the id of a series, made as ``new`` if it did not exist."""
    key = {
        "tenant": tenant_id,
        "point": UUID(bytes=point),
        "version": UUID(bytes=version),
        "arm": arm,
        "id": new,
    }
    await connection.execute(_SERIES, key)
    found = await (await connection.execute(_FIND_SERIES, key)).fetchone()
    assert found is not None  # noqa: S101 - just inserted or found
    return UUID(str(found[0]))


async def insert_receipts(
    connection: Connection, tenant_id: UUID, rows: Sequence[tuple[Event, UUID]]
) -> set[bytes]:
    """Insert receipts of events with their series; return the ids that are new."""
    ordered = sorted(rows, key=lambda row: row[0].event_id)
    cursor = await connection.execute(
        _RECEIPTS,
        {
            "tenant": tenant_id,
            "event": _uuids(event.event_id for event, _ in ordered),
            "decision": _uuids(event.claim.decision_id for event, _ in ordered),
            "series": _uuids(series.bytes for _, series in ordered),
            "at": [event.at for event, _ in ordered],
            "score": [event.score for event, _ in ordered],
            "prediction": [event.prediction for event, _ in ordered],
        },
        binary=True,
    )
    return {row[0].bytes for row in await cursor.fetchall()}


async def copy_events(
    connection: Connection,
    tenant_id: UUID,
    received_at: datetime,
    rows: Sequence[tuple[Event, UUID]],
) -> None:
    """Write raw events into the partition of the day."""
    block = encode(tenant_id, received_at, rows)
    async with connection.cursor().copy(_COPY) as copy:
        await copy.write(block)


async def awaken_outcomes(
    connection: Connection, tenant_id: UUID, rows: Sequence[tuple[Event, UUID]]
) -> None:
    """Put up for joining again the outcomes that were here before their events."""
    decisions = _uuids(event.claim.decision_id for event, _ in rows)
    await connection.execute(_AWAITED, {"tenant": tenant_id, "decision": decisions})


async def append_deltas(
    connection: Connection,
    tenant_id: UUID,
    kind: ProfileKind,
    deltas: Sequence[tuple[UUID, int, Tally]],
) -> None:
    """Append profile deltas: series, hour since 1970, tally."""
    async with connection.cursor() as cursor:
        await cursor.executemany(
            _DELTAS,
            [
                (tenant_id, series, kind.value, hour, tally.n, tally.encode())
                for series, hour, tally in deltas
            ],
        )


def _uuids(found: Any) -> str:
    """Return 16-byte ids as an array literal: cheaper than an object for each."""
    return "{" + ",".join([raw.hex() for raw in found]) + "}"


_FIXED = struct.Struct(">hi16si16siqi16siq")
_DOUBLE = struct.Struct(">id")
_NULL = struct.pack(">i", -1)
_TOKEN = struct.Struct(">iqiqidi8siq")
_SIZE = struct.Struct(">ib")
_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_COLUMNS = 12


def encode(tenant_id: UUID, received_at: datetime, rows: Sequence[tuple[Event, UUID]]) -> bytes:
    """Return rows in Postgres' binary COPY format, packed by hand.

    psycopg's row writer looks up a dumper for every value; a struct does not, and this is the
    path every scored event takes.
    """
    tenant, received = (
        tenant_id.bytes,
        int(received_at.timestamp() * 1_000_000) - _POSTGRES_EPOCH,
    )
    parts = [_HEADER]
    for event, series in rows:
        claim = event.claim
        features = orjson.dumps(event.features)
        latency = event.latency_ms
        parts += (
            _FIXED.pack(
                _COLUMNS, 16, tenant, 16, event.event_id, 8, received, 16, series.bytes,
                8, event.at - _POSTGRES_EPOCH,
            ),
            _NULL if latency is None else _DOUBLE.pack(8, latency),
            _TOKEN.pack(
                8, claim.plan_revision, 8, claim.generation, 8, claim.propensity,
                8, claim.unit, 8, claim.at_ms * 1000 - _POSTGRES_EPOCH,
            ),
            _SIZE.pack(len(features) + 1, 1),
            features,
        )  # fmt: skip
    parts.append(b"\xff\xff")
    return b"".join(parts)
