"""Forgetting one subject: the raw events of a unit go, what was counted of them stays.

Raw events alone say whom they are about, by a pseudonym that only the tenant's signing keys make
of a unit. Once they are gone, receipts (a score, and that the token was used) and outcomes are
facts about a decision that leads to nobody: they stay, and with them the receipt that keeps an
event out which is sent again. So do profiles, which are counts.
"""

from sqlalchemy import LargeBinary, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit
from app.kit.actor import Actor
from app.telemetry.keys import signing_keys
from app.telemetry.schemas import ErasedOut
from app.telemetry.token import unit_hash

# No index leads from a unit to its events, which every event would pay for: all are looked at.
_PATIENCE = "SET LOCAL statement_timeout = '10min'"


async def erase_subject(session: AsyncSession, unit: str, *, by: Actor) -> ErasedOut:
    """Delete the raw events of a unit, under the pseudonym that each signing key gave it."""
    by.require_point(None)
    keys = await signing_keys(session, by.tenant_id)
    pseudonyms = [unit_hash(secret, unit) for secret in keys.secrets.values()]
    name = unit_hash(keys.current[1], unit).hex()
    await session.execute(text(_PATIENCE))
    units = bindparam("units", pseudonyms, type_=ARRAY(LargeBinary))
    gone = await session.scalar(select(func.telemetry_erase_units(units)))
    await audit.record(session, by, "subject.erased", f"subject:{name}", raw_events=gone)
    return ErasedOut(pseudonym=name, raw_events=gone or 0)
