"""Outcomes: taken once a decision, joined to their events by the worker.

An outcome may come before its events, after them, or between the champion's and a shadow's. Each
event is labelled exactly once (`labelled` on its receipt), whichever came first: an outcome is
joined when it comes, again when a later event asks for it, and once more after a while, for the
event that was being written at that very moment.
"""

from collections import defaultdict
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.actor import Actor
from app.kit.refusal import Refusal
from app.platform.db import Database, driver
from app.platform.http import Upload
from app.platform.http.guard import PermissionDenied
from app.telemetry import store
from app.telemetry.events import (
    BadEvent,
    NoEvents,
    micros,
    number,
    rehearsed_id,
    require_object,
    require_whole,
    uuid_bytes,
)
from app.telemetry.outcomes import Labelled, fold
from app.telemetry.rehearsal import rehearsal_of
from app.telemetry.rows import is_atomic, understood
from app.telemetry.tables import ProfileKind
from app.telemetry.writer import about, off_loop

_BATCH = 5000
_FIELDS = frozenset({"decision_id", "label", "reward", "at"})
_NAN = float("nan")

_INSERT = """
INSERT INTO telemetry_outcome (tenant_id, decision_id, label, reward, at)
SELECT %(tenant)s, d, label, reward, to_timestamp(0) + a * interval '1 microsecond'
FROM unnest(%(decision)s::uuid[], %(label)s::float8[], %(reward)s::float8[], %(at)s::bigint[])
     AS u (d, label, reward, a)
ON CONFLICT DO NOTHING
"""
_JOIN = """
WITH due AS (
    SELECT tenant_id, decision_id, label, reward FROM telemetry_outcome
    WHERE due_at <= now() ORDER BY due_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED
), settled AS (
    UPDATE telemetry_outcome o
    SET due_at = CASE WHEN o.received_at > now() - interval '30 seconds'
                      THEN o.received_at + interval '30 seconds' END
    FROM due WHERE o.tenant_id = due.tenant_id AND o.decision_id = due.decision_id
), joined AS (
    UPDATE telemetry_receipt r SET labelled = true
    FROM due
    WHERE r.tenant_id = due.tenant_id AND r.decision_id = due.decision_id AND NOT r.labelled
    RETURNING r.tenant_id, r.series_id, r.at, r.score, r.prediction, due.label, due.reward
)
SELECT j.*, (SELECT count(*) FROM due) AS due FROM (SELECT 1) AS one LEFT JOIN joined j ON true
"""


async def take(database: Database, actor: Actor, upload: Upload) -> tuple[int, bytes]:
    """Take a batch of outcomes; a decision's first outcome stands, later ones count as doubles."""
    atomic = is_atomic(upload.named)
    sent = await off_loop(about(upload), understood, *upload, "outcomes")
    rows = sent["outcomes"]
    good: list[tuple[bytes, float | None, float | None, int]] = []
    bad: list[dict[str, Any]] = []
    for index, row in enumerate(rows):
        try:
            good.append(_read(row))
        except Refusal as refusal:
            bad.append({"index": index, "code": refusal.code, "detail": refusal.detail})
    if atomic:
        require_whole(bad)
    if not good:
        raise NoEvents("No outcome of the batch is acceptable.", rejected=bad[:100])
    async with database.session(actor.tenant_id) as session:
        place = await rehearsal_of(session, actor, sent, "outcomes")
        if place is not None:
            good = [(rehearsed_id(*place, row[0]), *row[1:]) for row in good]
        elif "telemetry:outcome" not in actor.permissions:
            raise PermissionDenied(
                f"{actor.name} may not say what became of decisions.",
                permission="telemetry:outcome",
            )
        good.sort(key=lambda row: row[0])
        connection = await driver(session)
        cursor = await connection.execute(
            _INSERT,
            {
                "tenant": actor.tenant_id,
                "decision": "{" + ",".join(row[0].hex() for row in good) + "}",
                "label": [row[1] for row in good],
                "reward": [row[2] for row in good],
                "at": [row[3] for row in good],
            },
        )
        await session.commit()
    answer = {
        "accepted": cursor.rowcount,
        "duplicates": len(good) - cursor.rowcount,
        "rejected": bad,
    }
    return (207 if bad else 200), orjson.dumps(answer)


def _read(row: Any) -> tuple[bytes, float | None, float | None, int]:
    require_object(row, "An outcome")
    if not row.keys() <= _FIELDS:
        raise BadEvent(f"Unknown field {min(row.keys() - _FIELDS)!r}.")
    label, reward = number(row, "label"), number(row, "reward")
    if label is None and reward is None:
        raise BadEvent("An outcome has a label, a reward, or both.")
    return (
        uuid_bytes(row.get("decision_id"), "decision_id"),
        label,
        reward,
        micros(row.get("at")),
    )


async def join(session: AsyncSession) -> int:
    """Label the events of outcomes that are due; return how many outcomes were looked at."""
    connection = await driver(session)
    cursor = await connection.execute(_JOIN, {"batch": _BATCH})
    rows = await cursor.fetchall()
    groups: dict[tuple[UUID, UUID, int], list[Labelled]] = defaultdict(list)
    for tenant_id, series_id, at, score, prediction, label, reward, _ in rows:
        if tenant_id is None:
            continue
        hour = int(at.timestamp() // 3600)
        groups[tenant_id, series_id, hour].append(
            Labelled(hour, _or_nan(score), _or_nan(prediction), _or_nan(label), _or_nan(reward))
        )
    by_tenant: dict[UUID, list[Any]] = defaultdict(list)
    for (tenant_id, series_id, hour), labelled in groups.items():
        by_tenant[tenant_id].append((series_id, hour, fold(labelled)))
    for tenant_id, deltas in by_tenant.items():
        await store.append_deltas(connection, tenant_id, ProfileKind.OUTCOMES, deltas)
    return int(rows[0][-1]) if rows else 0


def _or_nan(value: float | None) -> float:
    return _NAN if value is None else value
