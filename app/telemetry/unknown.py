"""Features that a version's signature does not name: stored as sent, counted, and shown.

Names are the senders' own, so their number is bounded wherever they are kept: those that come most
often by name, the others together as ``REST``.
"""

from collections import Counter, defaultdict
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog
from app.kit.actor import Actor
from app.platform.db import ALL_TENANTS, Database, driver
from app.telemetry.folding import Noted
from app.telemetry.schemas import UnknownFeature, UnknownOut
from app.telemetry.store import Connection

REST = "…"
MOST_TOLD = 20
"""Names that an answer, and a transaction's rows, hold of them."""
MOST_KEPT = 100
"""Names that are kept of a version and day."""
KEPT_DAYS = 90
_GROUPS = 200

_INSERT = """
INSERT INTO telemetry_unknown (tenant_id, version_id, day, name, n)
VALUES (%s, %s, current_date, %s, %s)
"""
_UNFOLDED = """
SELECT DISTINCT tenant_id, version_id, day FROM telemetry_unknown WHERE NOT folded LIMIT %s
"""
_FOLD = """
WITH gone AS (
    DELETE FROM telemetry_unknown
    WHERE tenant_id = %(tenant)s AND version_id = %(version)s AND day = %(day)s
    RETURNING name, n
), summed AS (
    SELECT name, sum(n) AS n FROM gone GROUP BY name
), ranked AS (
    SELECT name, n, row_number() OVER (ORDER BY name = %(rest)s, n DESC, name) AS place
    FROM summed
)
INSERT INTO telemetry_unknown (tenant_id, version_id, day, name, n, folded)
SELECT %(tenant)s, %(version)s, %(day)s,
       CASE WHEN place <= %(most)s THEN name ELSE %(rest)s END AS name, sum(n), true
FROM ranked GROUP BY 4
"""
_SHOWN = """
WITH ranked AS (
    SELECT name, sum(n) AS n, min(day) AS first, max(day) AS last,
           row_number() OVER (ORDER BY name = %(rest)s, sum(n) DESC, name) AS place
    FROM telemetry_unknown
    WHERE tenant_id = %(tenant)s AND version_id = %(version)s AND day > current_date - %(days)s
    GROUP BY name
)
SELECT CASE WHEN place <= %(most)s THEN name ELSE %(rest)s END AS name, sum(n), min(first),
       max(last)
FROM ranked GROUP BY 1 ORDER BY min(place)
"""
_OUTDATED = """
DELETE FROM telemetry_unknown WHERE (tenant_id, id) IN (
    SELECT tenant_id, id FROM telemetry_unknown WHERE day < current_date - %s LIMIT 10000)
"""


def told(found: Counter[str]) -> dict[str, int]:
    """Return the most frequent names and, together, the rest."""
    named = found.most_common(MOST_TOLD)
    rest = found.total() - sum(count for _, count in named)
    return {**dict(named), REST: rest} if rest else dict(named)


async def append(connection: Connection, tenant_id: UUID, found: Noted) -> None:
    """Note what came, beside its events."""
    by_version: dict[bytes, Counter[str]] = defaultdict(Counter)
    for (_, version), names in found.items():
        by_version[version].update(names)
    rows = [
        (tenant_id, UUID(bytes=version), name, n)
        for version, names in by_version.items()
        for name, n in told(names).items()
    ]
    async with connection.cursor() as cursor:
        await cursor.executemany(_INSERT, rows)


async def fold(database: Database) -> None:
    """Sum up what was noted."""
    async with database.transaction(ALL_TENANTS) as session:
        connection = await driver(session)
        groups = await (await connection.execute(_UNFOLDED, (_GROUPS,))).fetchall()
        for tenant_id, version_id, day in groups:
            group = {"tenant": tenant_id, "version": version_id, "day": day}
            await connection.execute(_FOLD, {**group, "rest": REST, "most": MOST_KEPT})


async def forget_unknown(database: Database) -> None:
    """Let go of what was noted long ago."""
    async with database.transaction(ALL_TENANTS) as session:
        await (await driver(session)).execute(_OUTDATED, (KEPT_DAYS,))


async def unknown_of(
    session: AsyncSession, model: str, number: int, *, days: int, by: Actor
) -> UnknownOut:
    """Return the unknown features of a version's last days, the most frequent first."""
    version = await catalog.find_version(session, model, number, by=by)
    connection = await driver(session)
    asked = {
        "tenant": by.tenant_id, "version": version.id, "days": days, "rest": REST,
        "most": MOST_KEPT,
    }  # fmt: skip
    rows = await (await connection.execute(_SHOWN, asked)).fetchall()
    return UnknownOut(
        model=model,
        version=number,
        days=days,
        features=[
            UnknownFeature(name=name, events=int(n), first_day=first, last_day=last)
            for name, n, first, last in rows
        ],
    )
