"""Deleting what tenants no longer keep: the worker's side of retention.

Raw events go by the day they came. Receipts are what keeps an event single, so none may go while
its event could still be taken: first it is announced that events of decisions before a moment are
refused, and only when every process has long heard of that are the receipts before it deleted.
The moment never moves back, whatever is set later. Both are by the decision's id, which begins
with its time; rehearsals' ids do not, and their receipts, about which nobody is decided, stay.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.db import ALL_TENANTS, Database, clock, driver
from app.telemetry.erasing import sweep
from app.telemetry.events import REHEARSAL
from app.telemetry.tables import Horizon, Retention
from app.telemetry.windows import first_id

GRACE = timedelta(minutes=10)
"""So long an announcement is waited for; a process hears of it within half a minute."""
BATCH = 5_000
_TURNS = 200

_RECEIPTS = """
DELETE FROM telemetry_receipt_stored WHERE (tenant_id, decision_id, series_id) IN (
    SELECT r.tenant_id, r.decision_id, r.series_id FROM telemetry_receipt_stored r
    WHERE r.tenant_id = %(tenant)s AND r.decision_id < %(first)s AND NOT EXISTS (
        SELECT FROM telemetry_series s
        WHERE s.tenant_id = r.tenant_id AND s.id = r.series_id
            AND split_part(s.arm, ':', 1) = %(rehearsal)s)
    ORDER BY r.decision_id LIMIT %(batch)s FOR UPDATE OF r SKIP LOCKED)
"""
_OUTCOMES = """
DELETE FROM telemetry_outcome WHERE (tenant_id, decision_id) IN (
    SELECT tenant_id, decision_id FROM telemetry_outcome
    WHERE tenant_id = %(tenant)s AND decision_id < %(first)s AND received_at < %(settled)s
        AND due_at IS NULL
    ORDER BY decision_id LIMIT %(batch)s FOR UPDATE SKIP LOCKED)
"""
_HISTORY = """
DELETE FROM telemetry_outcome_history WHERE (tenant_id, decision_id, revision) IN (
    SELECT h.tenant_id, h.decision_id, h.revision FROM telemetry_outcome_history h
    WHERE h.tenant_id = %(tenant)s AND h.decision_id < %(first)s AND NOT EXISTS (
        SELECT FROM telemetry_outcome o
        WHERE o.tenant_id = h.tenant_id AND o.decision_id = h.decision_id)
    ORDER BY h.decision_id LIMIT %(batch)s)
"""


async def forget(database: Database, *, grace: timedelta = GRACE, batch: int = BATCH) -> None:
    """Delete what no tenant keeps any more, in transactions of ``batch`` rows each."""
    async with database.session(ALL_TENANTS) as session:
        rows = await session.scalars(select(Retention).order_by(Retention.revision))
        in_force = {row.tenant_id: row for row in rows}
    for one in in_force.values():
        if one.raw_days is not None:
            await _forget_events(database, one.tenant_id, one.raw_days, batch)
        async with database.transaction(ALL_TENANTS) as session:
            settled = await _announce(session, one.tenant_id, one.receipt_days, grace)
        if settled is not None:
            await _forget_receipts(database, one.tenant_id, settled, batch)
    await sweep(database, grace=grace)
    async with database.transaction(ALL_TENANTS) as session:
        await session.execute(select(func.telemetry_drop_partitions()))


async def _forget_events(database: Database, tenant_id: UUID, days: int, batch: int) -> None:
    # Whole days: of those that are kept not even the index is looked at.
    before = func.date_trunc("day", func.now() - timedelta(days=days), "UTC")
    for _ in range(_TURNS):
        async with database.transaction(ALL_TENANTS) as session:
            gone = await session.scalar(
                select(func.telemetry_forget_events(tenant_id, before, batch))
            )
        if not gone or gone < batch:
            return


async def _announce(
    session: AsyncSession, tenant_id: UUID, days: int | None, grace: timedelta
) -> datetime | None:
    """Move a tenant's horizon on; return before when receipts may go by now."""
    now = await clock(session)
    horizon = await session.get(Horizon, tenant_id, with_for_update=True)
    wanted = None if days is None else now - timedelta(days=days)
    if horizon is None:
        if wanted is not None:
            session.add(Horizon(tenant_id=tenant_id, before=wanted, announced_at=now))
        return None
    if horizon.announced_at + grace <= now:
        horizon.settled = horizon.before
        if wanted is not None and wanted > horizon.before:
            horizon.before, horizon.announced_at = wanted, now
    return horizon.settled


async def _forget_receipts(
    database: Database, tenant_id: UUID, settled: datetime, batch: int
) -> None:
    asked = {
        "tenant": tenant_id, "first": first_id(settled), "settled": settled, "batch": batch,
        "rehearsal": REHEARSAL,
    }  # fmt: skip
    for statement in (_RECEIPTS, _OUTCOMES, _HISTORY):
        for _ in range(_TURNS):
            async with database.transaction(ALL_TENANTS) as session:
                cursor: Any = await (await driver(session)).execute(statement, asked)
            if cursor.rowcount < batch:
                break
