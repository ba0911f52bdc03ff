"""Forgetting one subject: the raw events of a unit go, what was counted of them stays.

Raw events alone say whom they are about, by a pseudonym that only the tenant's signing keys make
of a unit. Once they are gone, receipts (a score, and that the token was used) and outcomes are
facts about a decision that leads to nobody: they stay, and with them the receipt that keeps an
event out which is sent again. So do profiles, which are counts. An outcome that comes late is such
a fact as well, and is taken.

No index leads from a unit to its events, which every event would pay for: a day after the other is
looked through. What a call has no time for the worker does, and it looks through all of them once
more: events of decisions from before, which come late and for the first time, are refused as soon
as a process knows of the erasure, and until every one does some may be taken.
"""

import time
from datetime import timedelta

from sqlalchemy import DateTime, LargeBinary, bindparam, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit
from app.kit.actor import Actor
from app.kit.page import Rows
from app.platform.db import ALL_TENANTS, Database, page
from app.telemetry.keys import signing_keys
from app.telemetry.schemas import ErasedOut
from app.telemetry.tables import Erasure
from app.telemetry.token import unit_hash

AT_ONCE = 5.0
"""So many seconds a call looks for events; the worker goes on."""
# A day's events are looked through by one statement.
_PATIENCE = "SET LOCAL statement_timeout = '10min'"
_DAYS = text("""
SELECT c.relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
WHERE inhparent = 'telemetry_event'::regclass ORDER BY c.relname DESC
""")


async def erase_subject(
    session: AsyncSession, unit: str, *, seconds: float = AT_ONCE, by: Actor
) -> ErasedOut:
    """Delete the raw events of a unit, under the pseudonym that each signing key gave it."""
    by.require_point(None)
    keys = await signing_keys(session, by.tenant_id)
    pseudonyms = [unit_hash(secret, unit) for secret in keys.secrets.values()]
    name = unit_hash(keys.current[1], unit).hex()
    fresh = {"at": func.clock_timestamp(), "swept": False}
    await session.execute(
        insert(Erasure)
        .values([{"tenant_id": by.tenant_id, "pseudonym": one} for one in pseudonyms])
        .on_conflict_do_update(index_elements=["tenant_id", "pseudonym"], set_=fresh)
    )
    await session.execute(text(_PATIENCE))
    units = bindparam("units", pseudonyms, type_=ARRAY(LargeBinary))
    ever = literal("infinity").cast(DateTime(timezone=True))
    gone, complete, deadline = 0, True, time.monotonic() + seconds
    for day in await session.scalars(_DAYS):
        if time.monotonic() >= deadline:
            complete = False
            break
        gone += await session.scalar(select(func.telemetry_erase_in(day, ever, units))) or 0
    await audit.record(
        session, by, "subject.erased", f"subject:{name}", raw_events=gone, complete=complete
    )
    return ErasedOut(pseudonym=name, raw_events=gone, complete=complete)


async def list_erasures(
    session: AsyncSession, *, cursor: str | None, limit: int, by: Actor
) -> Rows[Erasure]:
    """List who was erased, the latest first, by pseudonym."""
    by.require_point(None)
    query = select(Erasure).filter_by(tenant_id=by.tenant_id)
    return await page(
        session, query, Erasure.at, Erasure.pseudonym,
        cursor=cursor, limit=limit, newest_first=True,
    )  # fmt: skip


async def sweep(database: Database, *, grace: timedelta) -> None:
    """Delete what there still is of erased subjects, once every process has long heard of them."""
    async with database.session(ALL_TENANTS) as session:
        before = await session.scalar(select(func.now() - grace))
        waiting = Erasure.swept.is_(False) & (Erasure.at < before)
        due = list(await session.scalars(select(Erasure.tenant_id).where(waiting).distinct()))
        days = list(await session.scalars(_DAYS))
    everybody = bindparam("units", None, type_=ARRAY(LargeBinary))
    for tenant_id in due:
        for day in days:
            async with database.transaction(tenant_id) as session:
                await session.execute(text(_PATIENCE))
                await session.execute(select(func.telemetry_erase_in(day, before, everybody)))
        async with database.transaction(tenant_id) as session:
            await session.execute(
                update(Erasure).where(Erasure.tenant_id == tenant_id, waiting).values(swept=True)
            )
