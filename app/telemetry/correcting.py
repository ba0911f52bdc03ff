"""Corrections: of a decision's outcomes the highest revision stands, the others are history.

Whichever comes first: the same revisions end as the same outcome in any order. A receipt remembers
which revision its profile was given, so that the worker can take it out again. A revision says one
thing: what says another under the same number is refused, not taken for the same again.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

_SENT = """
FROM unnest(%(decision)s::uuid[], %(label)s::float8[], %(reward)s::float8[], %(cost)s::float8[],
            %(at)s::bigint[], %(revision)s::bigint[]) AS u (d, label, reward, cost, a, revision)
"""
_INSERT = f"""
INSERT INTO telemetry_outcome (tenant_id, decision_id, label, reward, cost, at, revision)
SELECT %(tenant)s, d, label, reward, cost, to_timestamp(0) + a * interval '1 microsecond', revision
{_SENT}
ON CONFLICT DO NOTHING
"""
_CORRECT = f"""
WITH sent AS (
    SELECT d, label, reward, cost, to_timestamp(0) + a * interval '1 microsecond' AS at, revision
    {_SENT}
), stored AS (
    SELECT o.* FROM telemetry_outcome o JOIN sent ON o.decision_id = d
    WHERE o.tenant_id = %(tenant)s ORDER BY o.decision_id FOR UPDATE OF o
), kept AS (
    INSERT INTO telemetry_outcome_history
        (tenant_id, decision_id, revision, label, reward, cost, at, received_at)
    SELECT o.tenant_id, d, o.revision, o.label, o.reward, o.cost, o.at, o.received_at
    FROM stored o JOIN sent ON o.decision_id = d WHERE sent.revision > o.revision
    UNION ALL
    SELECT o.tenant_id, d, sent.revision, sent.label, sent.reward, sent.cost, sent.at, now()
    FROM stored o JOIN sent ON o.decision_id = d WHERE sent.revision < o.revision
    ON CONFLICT DO NOTHING
    RETURNING 1
), corrected AS (
    UPDATE telemetry_outcome o
    SET label = sent.label, reward = sent.reward, cost = sent.cost, at = sent.at,
        revision = sent.revision, received_at = now(), due_at = now()
    FROM sent JOIN stored ON stored.decision_id = sent.d
    WHERE o.tenant_id = %(tenant)s AND o.decision_id = sent.d AND sent.revision > stored.revision
)
SELECT count(*) FROM kept
"""  # noqa: S608 - constants


class Said(NamedTuple):
    """What an outcome says; nothing of what it leaves open."""

    label: float | None
    reward: float | None
    cost: float | None

    def __str__(self) -> str:
        known = {name: value for name, value in self._asdict().items() if value is not None}
        return ", ".join(f"{name} {value:g}" for name, value in known.items())


_STANDING = """
WITH asked AS (SELECT DISTINCT unnest(%(decision)s::uuid[]) AS d)
SELECT o.decision_id, o.revision, o.label, o.reward, o.cost
FROM asked JOIN telemetry_outcome o ON o.tenant_id = %(tenant)s AND o.decision_id = d
UNION ALL
SELECT h.decision_id, h.revision, h.label, h.reward, h.cost
FROM asked JOIN telemetry_outcome_history h ON h.tenant_id = %(tenant)s AND h.decision_id = d
"""


_AWAITING = """
WITH sent AS (SELECT DISTINCT unnest(%(decision)s::uuid[]) AS d)
SELECT count(*) FROM sent WHERE NOT EXISTS (
    SELECT FROM telemetry_receipt r WHERE r.tenant_id = %(tenant)s AND r.decision_id = sent.d)
"""


class Sent(NamedTuple):
    """An outcome as it came; ``at`` is microseconds since 1970."""

    decision_id: bytes
    label: float | None
    reward: float | None
    cost: float | None
    at: int
    revision: int


async def store(
    connection: psycopg.AsyncConnection[Any], tenant_id: UUID, outcomes: Sequence[Sent]
) -> int:
    """Store outcomes; return how many of them had not been stored before."""
    ordered = sorted(outcomes, key=lambda one: (one.decision_id, -one.revision))
    newest = [
        one
        for at, one in enumerate(ordered)
        if not at or ordered[at - 1].decision_id != one.decision_id
    ]
    inserted = (await connection.execute(_INSERT, _columns(tenant_id, newest))).rowcount
    if inserted == len(ordered):
        return inserted
    fresh = inserted
    rest = {(one.decision_id, one.revision): one for one in reversed(ordered)}
    for row in newest:
        rest.pop((row.decision_id, row.revision), None)
    # One revision of a decision at a time: each is looked at beside what stands by then.
    for some in (newest, *_by_decision(list(rest.values()))):
        found = await (await connection.execute(_CORRECT, _columns(tenant_id, some))).fetchone()
        assert found is not None  # noqa: S101 - an aggregate has a row
        fresh += found[0]
    return fresh


async def otherwise(
    connection: psycopg.AsyncConnection[Any], tenant_id: UUID, outcomes: Sequence[Sent]
) -> dict[int, Said]:
    """Return which of stored outcomes were said otherwise: by index, what stands instead."""
    about = {"tenant": tenant_id, "decision": _decisions(outcomes)}
    rows = await (await connection.execute(_STANDING, about)).fetchall()
    standing = {(row[0].bytes, row[1]): Said(*row[2:]) for row in rows}
    found = {}
    for index, one in enumerate(outcomes):
        said = standing.get((one.decision_id, one.revision))
        if said is not None and said != (one.label, one.reward, one.cost):
            found[index] = said
    return found


async def awaiting(
    connection: psycopg.AsyncConnection[Any], tenant_id: UUID, outcomes: Sequence[Sent]
) -> int:
    """Return of how many of the outcomes' decisions no event has come."""
    about = {"tenant": tenant_id, "decision": _decisions(outcomes)}
    found = await (await connection.execute(_AWAITING, about)).fetchone()
    assert found is not None  # noqa: S101 - an aggregate has a row
    return int(found[0])


def _by_decision(rows: Sequence[Sent]) -> list[list[Sent]]:
    """Split rows so that no decision stands twice in a part, each part in order of decision."""
    parts: list[dict[bytes, Sent]] = []
    for row in rows:
        part = next((one for one in parts if row.decision_id not in one), None)
        if part is None:
            parts.append(part := {})
        part[row.decision_id] = row
    return [sorted(part.values()) for part in parts]


def _decisions(rows: Sequence[Sent]) -> str:
    return "{" + ",".join(row.decision_id.hex() for row in rows) + "}"


def _columns(tenant_id: UUID, rows: Sequence[Sent]) -> dict[str, Any]:
    return {
        "tenant": tenant_id,
        "decision": _decisions(rows),
        "label": [row.label for row in rows],
        "reward": [row.reward for row in rows],
        "cost": [row.cost for row in rows],
        "at": [row.at for row in rows],
        "revision": [row.revision for row in rows],
    }
