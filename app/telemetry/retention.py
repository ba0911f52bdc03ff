"""How long a tenant's raw events and receipts are kept, and how far back they are remembered.

Profiles are always kept: they are counts, and about nobody.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit
from app.kit.actor import Actor
from app.kit.refusal import Invalid
from app.kit.revision import require_current
from app.platform.db import clock
from app.telemetry.tables import Horizon, Retention
from app.telemetry.windows import first_id


class ReceiptsFirst(Invalid):
    """Receipts would go before the raw events that they keep single."""

    code = "receipts_before_events"
    title = "Receipts are kept at least as long as raw events"
    mend = "Send receipt_days of at least raw_days, or null; where raw_days is null, null."


async def retention_of(session: AsyncSession, tenant_id: UUID) -> Retention | None:
    """Return what a tenant has set last, if anything."""
    return await session.scalar(
        select(Retention)
        .where(Retention.tenant_id == tenant_id)
        .order_by(Retention.revision.desc())
        .limit(1)
    )


async def remembered_from(session: AsyncSession, tenant_id: UUID) -> datetime | None:
    """Return from when on decisions are remembered; nothing: from the first."""
    return await session.scalar(select(Horizon.before).filter_by(tenant_id=tenant_id))


async def oldest_remembered(session: AsyncSession, tenant_id: UUID) -> UUID | None:
    """Return the least id of a decision that is remembered; nothing: any."""
    found = await remembered_from(session, tenant_id)
    return None if found is None else first_id(found)


async def events_kept_from(session: AsyncSession, tenant_id: UUID) -> datetime | None:
    """Return when the oldest raw events came that are to be there; nothing: all are."""
    found = await retention_of(session, tenant_id)
    if found is None or found.raw_days is None:
        return None
    now: datetime = await clock(session)
    return now - timedelta(days=found.raw_days)


async def set_retention(
    session: AsyncSession,
    *,
    raw_days: int | None,
    receipt_days: int | None,
    expected: int,
    by: Actor,
) -> Retention:
    """Say how long raw events and receipts are kept from now on; a worker deletes what is older."""
    by.require_point(None)
    if receipt_days is not None and (raw_days is None or raw_days > receipt_days):
        raise ReceiptsFirst("receipt_days is less than raw_days.")
    before = await retention_of(session, by.tenant_id)
    revision = before.revision if before else 0
    require_current(expected, revision)
    made = Retention(
        tenant_id=by.tenant_id,
        revision=revision + 1,
        raw_days=raw_days,
        receipt_days=receipt_days,
        author_id=by.person_id or by.id,
    )
    session.add(made)
    await session.flush()
    await audit.record(
        session, by, "retention.set", f"tenant:{by.tenant_id}",
        revision=made.revision, raw_days=raw_days, receipt_days=receipt_days,
    )  # fmt: skip
    return made
