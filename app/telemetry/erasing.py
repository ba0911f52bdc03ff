"""Forgetting one subject: the raw events of a unit go, what was counted of them stays.

Raw events alone say whom they are about, by a pseudonym that only the tenant's signing keys make
of a unit. Once they are gone, receipts (a score, and that the token was used) and outcomes are
facts about a decision that leads to nobody: they stay, and with them the receipt that keeps an
event out which is sent again. So do profiles, which are counts.

That a pseudonym was erased is remembered: events of decisions from before, which come late and for
the first time, are refused. What comes until every process knows is deleted by the worker.
"""

from datetime import timedelta

from sqlalchemy import LargeBinary, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit
from app.kit.actor import Actor
from app.platform.db import ALL_TENANTS, Database
from app.telemetry.keys import signing_keys
from app.telemetry.schemas import ErasedOut
from app.telemetry.tables import Erasure
from app.telemetry.token import unit_hash

# No index leads from a unit to its events, which every event would pay for: all are looked at.
_PATIENCE = "SET LOCAL statement_timeout = '10min'"


async def erase_subject(session: AsyncSession, unit: str, *, by: Actor) -> ErasedOut:
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
    gone = await session.scalar(select(func.telemetry_erase_units(units)))
    await audit.record(session, by, "subject.erased", f"subject:{name}", raw_events=gone)
    return ErasedOut(pseudonym=name, raw_events=gone or 0)


async def sweep(database: Database, *, grace: timedelta) -> None:
    """Delete what came of erased subjects before every process knew, once that is long ago."""
    before = func.now() - grace
    async with database.session(ALL_TENANTS) as session:
        waiting = select(Erasure.tenant_id).where(Erasure.swept.is_(False), Erasure.at < before)
        due = list(await session.scalars(waiting.distinct()))
    for tenant_id in due:
        async with database.transaction(tenant_id) as session:
            await session.execute(text(_PATIENCE))
            await session.execute(select(func.telemetry_sweep_erased(before)))
