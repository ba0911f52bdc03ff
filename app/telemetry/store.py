"""Writing a batch: a few statements, one commit.

1. Receipts: their keys are the one judge of what is new. Nearly always all are, and COPY writes
   them at two fifths of the cost; where it meets one that is there, `INSERT … ON CONFLICT DO
   NOTHING` tells which are new. Outcomes that came before their events are put up for joining.
2. Raw events of the new ones, by binary COPY into the day's partition.
3. Profile deltas of the new ones, appended.

No lock is held on anything two batches share, so that ingest scales with connections; the worker
folds deltas later. Receipts are inserted in order of decision: two batches with common events wait
for each other, never in a circle.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg

from app.kit.ids import uuid7
from app.telemetry.batch import NAMELESS
from app.telemetry.packed import Packed
from app.telemetry.parcels import Parcels
from app.telemetry.segments import MOST_VALUES, REST, Parts, Value
from app.telemetry.sheaf import NewDelta
from app.telemetry.tables import ProfileKind


def _receipts(*, column: str = "", value: str = "", arrays: str = "", names: str = "") -> str:
    return f"""
WITH fresh AS (
    INSERT INTO telemetry_receipt
        (tenant_id, decision_id, series_id, event_id, at, score, prediction{column})
    SELECT %(tenant)s, d, s, nullif(e, %(nameless)s),
           to_timestamp(0) + a * interval '1 microsecond',
           nullif(score, 'NaN'), nullif(prediction, 'NaN'){value}
    FROM unnest(%(decision)s::uuid[], %(series)s::uuid[], %(event)s::uuid[], %(at)s::bigint[],
                %(score)s::float8[], %(prediction)s::float8[]{arrays})
         AS u (d, s, e, a, score, prediction{names})
    ON CONFLICT DO NOTHING
    RETURNING decision_id, series_id
), awaited AS (
    UPDATE telemetry_outcome SET due_at = now()
    WHERE tenant_id = %(tenant)s AND decision_id = ANY(%(decision)s::uuid[])
)
SELECT CASE WHEN count(*) < %(sent)s THEN
    coalesce(string_agg(uuid_send(decision_id) || uuid_send(series_id), ''), '') END
FROM fresh
"""  # noqa: S608 - constants


_RECEIPTS = _receipts()
_IN_PARTS = _receipts(
    column=", segment_ids",
    value=", nullif(array_remove(ARRAY[p0, p1, p2], %(nameless)s), '{}')",
    arrays=", %(part0)s::uuid[], %(part1)s::uuid[], %(part2)s::uuid[]",
    names=", p0, p1, p2",
)
_KNOWN = """
SELECT EXISTS (
    SELECT FROM unnest(%(decision)s::uuid[], %(series)s::uuid[]) AS u (d, s)
    JOIN telemetry_receipt r ON r.tenant_id = %(tenant)s AND r.decision_id = d AND r.series_id = s
) OR EXISTS (
    SELECT FROM telemetry_receipt
    WHERE tenant_id = %(tenant)s AND event_id = ANY(%(event)s::uuid[])
        AND event_id <> %(nameless)s)
"""
_AWAITED = """
UPDATE telemetry_outcome SET due_at = now()
WHERE tenant_id = %(tenant)s AND decision_id = ANY(%(decision)s::uuid[])
"""
_COPY_RECEIPTS = """
COPY telemetry_receipt_stored (tenant_id, decision_id, series_id, event_id, at, score, prediction)
    FROM STDIN (FORMAT BINARY)
"""
_COPY = """
COPY telemetry_event (tenant_id, decision_id, series_id, at, latency_ms, plan_revision, generation,
    propensity, unit, decided_at, features) FROM STDIN (FORMAT BINARY)
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
_PARTS = """
SELECT variable, value, place, id FROM telemetry_segment
WHERE tenant_id = %(tenant)s AND series_id = %(series)s
"""
_NEW_PART = """
INSERT INTO telemetry_segment (tenant_id, series_id, id, variable, value, place)
VALUES (%(tenant)s, %(series)s, %(id)s, %(variable)s, %(value)s, %(place)s)
ON CONFLICT DO NOTHING
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
) -> bytes:
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
    return found[0].bytes  # type: ignore[no-any-return]


async def parts_of(
    connection: Connection, tenant_id: UUID, series: bytes, known: Parts, wanted: Sequence[Value]
) -> Parts:
    """Return a series' parts, those made in which values count that had no place so far.

    Two that meet want the same next place: one waits for the other's commit, and looks again.
    Features in order, of each the rest first and the others place by place: never in a circle.
    """
    key = {"tenant": tenant_id, "series": UUID(bytes=series)}

    async def read() -> tuple[Parts, dict[str, set[int]]]:
        rows = await (await connection.execute(_PARTS, key)).fetchall()
        taken: dict[str, set[int]] = defaultdict(set)
        for variable, _, place, _ in rows:
            taken[variable].add(place)
        ids = {(row[0], row[1]): row[3].bytes for row in rows}
        return Parts.known(known.names, ids), taken

    found, taken = await read()
    for variable in sorted({name for name, _ in wanted}):
        values = [value for name, value in wanted if name == variable and value != REST]
        for value in (REST, *values):
            while found.place((variable, value)) is None:
                free = set(range(1, MOST_VALUES + 1)) - taken[variable]
                place = 0 if value == REST else min(free)
                new = {"variable": variable, "value": value, "place": place, "id": uuid7()}
                await connection.execute(_NEW_PART, {**key, **new})
                found, taken = await read()
    return found


async def any_known(
    connection: Connection, tenant_id: UUID, decision: Packed, series: Packed, event: Packed
) -> bool:
    """Say whether one of some events has its receipt, or its name has one."""
    asked = {"decision": decision, "series": series, "event": event}
    fixed = {"tenant": tenant_id, "nameless": UUID(bytes=NAMELESS)}
    found = await (await connection.execute(_KNOWN, {**fixed, **asked})).fetchone()
    assert found is not None  # noqa: S101 - an expression has a row
    return bool(found[0])


async def copy_receipts(
    connection: Connection, tenant_id: UUID, receipts: bytes, decisions: Packed
) -> bool:
    """Write receipts if all are new; say whether they were, and else nothing is written."""
    try:
        async with connection.transaction(), connection.cursor().copy(_COPY_RECEIPTS) as copy:
            await copy.write(receipts)
    except psycopg.errors.UniqueViolation:
        return False
    await connection.execute(_AWAITED, {"tenant": tenant_id, "decision": decisions})
    return True


async def insert_receipts(
    connection: Connection, tenant_id: UUID, sent: int, columns: Mapping[str, Packed]
) -> set[bytes] | None:
    """Insert receipts; return the new ones' decision and series, ``None`` if all are new."""
    fixed = {"tenant": tenant_id, "sent": sent, "nameless": UUID(bytes=NAMELESS)}
    query = _IN_PARTS if "part0" in columns else _RECEIPTS
    cursor = await connection.execute(query, {**fixed, **columns})
    found = await cursor.fetchone()
    assert found is not None  # noqa: S101 - an aggregate has a row
    new = found[0]
    return None if new is None else {new[at : at + 32] for at in range(0, len(new), 32)}


async def copy_events(connection: Connection, parcels: Parcels) -> None:
    """Write raw events into the partition of the day."""
    async with connection.cursor().copy(_COPY) as copy:
        await copy.write(parcels.raw)


async def append_deltas(
    connection: Connection,
    tenant_id: UUID,
    kind: ProfileKind,
    deltas: Sequence[NewDelta],
) -> None:
    """Append profile deltas."""
    rows = [(tenant_id, one.series_id, kind.value, *one[1:]) for one in deltas]
    async with connection.cursor() as cursor:
        await cursor.executemany(_DELTAS, rows)
