"""Outcomes: taken once a decision and revision, joined to their events by the worker.

An outcome may come before its events, after them, or between the champion's and a shadow's. Each
event is labelled exactly once (`labelled` on its receipt), whichever came first: an outcome is
joined when it comes, again when a later event asks for it, and once more after a while, for the
event that was being written at that very moment. One that is corrected is joined again.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.actor import Actor
from app.kit.refusal import Refusal
from app.platform.db import Database, driver
from app.platform.http import Upload
from app.platform.http.guard import PermissionDenied
from app.telemetry import store
from app.telemetry.charts import hour_at
from app.telemetry.correcting import Said, Sent, awaiting, otherwise
from app.telemetry.correcting import store as store_outcomes
from app.telemetry.events import (
    BadEvent,
    NoEvents,
    SaidBefore,
    UnknownEvent,
    micros,
    number,
    rehearsed_id,
    rejected,
    require_object,
    require_whole,
    uuid_bytes,
)
from app.telemetry.outcomes import Labelled, fold_each
from app.telemetry.rehearsal import rehearsal_of
from app.telemetry.rows import is_atomic, understood
from app.telemetry.sheaf import NewDelta
from app.telemetry.tables import ProfileKind, Receipt
from app.telemetry.writer import about, off_loop

_BATCH = 5000
_FIELDS = frozenset({"decision_id", "event_id", "label", "reward", "cost", "revision", "at"})
_MOST_REVISIONS = 1_000_000
_NAN = float("nan")

_JOIN = """
WITH due AS (
    SELECT tenant_id, decision_id, label, reward, cost, revision FROM telemetry_outcome
    WHERE due_at <= now() ORDER BY due_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED
), settled AS (
    UPDATE telemetry_outcome o
    SET due_at = CASE WHEN o.received_at > now() - interval '30 seconds'
                      THEN o.received_at + interval '30 seconds' END
    FROM due WHERE o.tenant_id = due.tenant_id AND o.decision_id = due.decision_id
), joined AS (
    UPDATE telemetry_receipt_stored r SET labelled = true, outcome_revision = due.revision
    FROM due
    WHERE r.tenant_id = due.tenant_id AND r.decision_id = due.decision_id AND NOT r.labelled
    RETURNING r.tenant_id, r.series_id, r.segment_ids, r.at, r.score, r.prediction,
              due.label, due.reward, due.cost, false AS again,
              NULL::float8 AS was_label, NULL::float8 AS was_reward, NULL::float8 AS was_cost
), corrected AS (
    UPDATE telemetry_receipt_stored r SET outcome_revision = due.revision
    FROM due, telemetry_outcome_history h
    WHERE r.tenant_id = due.tenant_id AND r.decision_id = due.decision_id AND r.labelled
      AND r.outcome_revision < due.revision
      AND h.tenant_id = r.tenant_id AND h.decision_id = r.decision_id
      AND h.revision = r.outcome_revision
    RETURNING r.tenant_id, r.series_id, r.segment_ids, r.at, r.score, r.prediction,
              due.label, due.reward, due.cost, true, h.label, h.reward, h.cost
), found AS (SELECT * FROM joined UNION ALL SELECT * FROM corrected)
SELECT f.*, (SELECT count(*) FROM due) AS due FROM (SELECT 1) AS one LEFT JOIN found f ON true
"""


async def take(database: Database, actor: Actor, upload: Upload) -> tuple[int, bytes]:
    """Take a batch of outcomes: of each decision the highest revision stands."""
    atomic = is_atomic(upload.named)
    sent = await off_loop(about(upload), understood, *upload, "outcomes")
    rows = sent["outcomes"]
    # A rehearsal's outcomes name its events' own ids, and may come before them.
    rehearsed = len(sent) > 1
    decisions = {} if rehearsed else await _decisions(database, actor, rows)
    good: list[Sent] = []
    places: list[int] = []
    bad: list[dict[str, Any]] = []
    for index, row in enumerate(rows):
        try:
            good.append(_read(row, None if rehearsed else decisions))
        except Refusal as refusal:
            bad.append(rejected(index, refusal))
        else:
            places.append(index)
    if atomic:
        require_whole(bad)
    if not good:
        raise NoEvents(
            "No outcome of the batch is acceptable.",
            filled={"noun": "outcomes"},
            rejected=bad[:100],
        )
    async with database.session(actor.tenant_id) as session:
        place = await rehearsal_of(session, actor, sent, "outcomes")
        if place is not None:
            good = [one._replace(decision_id=rehearsed_id(*place, one.decision_id)) for one in good]
        elif "telemetry:outcome" not in actor.permissions:
            raise PermissionDenied(
                f"{actor.name} may not say what became of decisions.",
                permission="telemetry:outcome",
            )
        connection = await driver(session)
        fresh = await store_outcomes(connection, actor.tenant_id, good)
        others: dict[int, Said] = {}
        if fresh < len(good):
            others = await otherwise(connection, actor.tenant_id, good)
        bad += [rejected(places[at], _said_before(good[at], said)) for at, said in others.items()]
        if atomic:
            require_whole(bad)
        taken = [one for at, one in enumerate(good) if at not in others]
        waiting = await awaiting(connection, actor.tenant_id, taken)
        await session.commit()
    answer = {
        "accepted": fresh,
        "duplicates": len(good) - fresh - len(others),
        "awaiting": waiting,
        "rejected": bad,
    }
    return (207 if bad else 200), orjson.dumps(answer)


def _said_before(sent: Sent, said: Said) -> SaidBefore:
    return SaidBefore(
        f"Revision {sent.revision} of this decision's outcome says {said}. What is different, or"
        " more, is a higher revision, which says all of it anew."
    )


async def _decisions(database: Database, actor: Actor, rows: list[Any]) -> dict[bytes, bytes]:
    """Return the decisions of events that outcomes name by the sender's own ids."""
    named = [row["event_id"] for row in rows if isinstance(row, dict) and row.get("event_id")]
    ids = []
    for one in named:
        with suppress(BadEvent):
            ids.append(UUID(bytes=uuid_bytes(one, "event_id")))
    if not ids:
        return {}
    async with database.session(actor.tenant_id) as session:
        found = await session.execute(
            select(Receipt.event_id, Receipt.decision_id).where(
                Receipt.tenant_id == actor.tenant_id, Receipt.event_id.in_(ids)
            )
        )
        return {event.bytes: decision.bytes for event, decision in found if event is not None}


def _decision_of(row: dict[str, Any], decisions: Mapping[bytes, bytes] | None) -> bytes:
    """Return what an outcome is of, by either name; ``None`` for decisions: both are the event's.

    In a rehearsal nothing was decided: what stands for the decision is the event's own id.
    """
    if row.get("event_id") is None:
        return uuid_bytes(row.get("decision_id"), "decision_id")
    if row.get("decision_id") is not None:
        raise BadEvent("An outcome names its decision_id or its event_id, not both.")
    sent = uuid_bytes(row["event_id"], "event_id")
    if decisions is None:
        return sent
    found = decisions.get(sent)
    if found is None:
        raise UnknownEvent(
            "No event of this event_id has come; by decision_id it may come first. Of a rehearsal's"
            " name its model, version and decision_point beside the outcomes."
        )
    return found


def _read(row: Any, decisions: Mapping[bytes, bytes] | None) -> Sent:
    require_object(row, "An outcome")
    if not row.keys() <= _FIELDS:
        raise BadEvent(f"Unknown field {min(row.keys() - _FIELDS)!r}.")
    label, reward, cost = (number(row, name) for name in ("label", "reward", "cost"))
    if label is None and reward is None and cost is None:
        raise BadEvent("An outcome has a label, a reward, a cost, or several of them.")
    revision = row.get("revision")
    if revision is None:
        revision = 0
    elif type(revision) is not int or not 0 <= revision <= _MOST_REVISIONS:
        raise BadEvent(f"revision is a whole number from 0 to {_MOST_REVISIONS}.")
    decision_id = _decision_of(row, decisions)
    return Sent(decision_id, label, reward, cost, micros(row.get("at")), revision)


async def join(session: AsyncSession) -> int:
    """Label the events of outcomes that are due; return how many outcomes were looked at."""
    connection = await driver(session)
    cursor = await connection.execute(_JOIN, {"batch": _BATCH})
    rows = await cursor.fetchall()
    joined = _Joined()
    for tenant_id, series_id, parts, at, score, prediction, *said in rows:
        if tenant_id is None:
            continue
        label, reward, cost, again, *was, _ = said
        hour = hour_at(at)
        for one in (series_id, *(parts or ())):
            key = tenant_id, one, hour
            joined.take(key, 1, score, prediction, label, reward, cost)
            if again:
                joined.take(key, -1, score, prediction, *was)
    for tenant_id, deltas in (await asyncio.to_thread(joined.by_tenant)).items():
        await store.append_deltas(connection, tenant_id, ProfileKind.OUTCOMES, deltas)
    return int(rows[0][-1]) if rows else 0


class _Joined:
    """What outcomes add to whose profiles, and take from them where they are corrected."""

    def __init__(self) -> None:
        self._places: dict[tuple[UUID, UUID, int], int] = {}
        self._rows: list[Labelled] = []
        self._whose: list[int] = []
        self._signs: list[int] = []

    def take(self, key: tuple[UUID, UUID, int], sign: int, *said: float | None) -> None:
        self._whose.append(self._places.setdefault(key, len(self._places)))
        self._signs.append(sign)
        self._rows.append(Labelled(*(_NAN if one is None else one for one in said)))

    def by_tenant(self) -> dict[UUID, list[NewDelta]]:
        found: dict[UUID, list[NewDelta]] = defaultdict(list)
        deltas = fold_each(self._rows, self._whose, self._signs, len(self._places))
        for (tenant_id, series_id, hour), one in zip(self._places, deltas, strict=True):
            found[tenant_id].append(NewDelta(series_id, hour, *one))
        return found
