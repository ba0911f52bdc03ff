"""Bounds: which decisions' events are not taken any more, as ingest has them in memory."""

from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.telemetry.events import EventTooOld, SubjectErased
from app.telemetry.retention import oldest_remembered
from app.telemetry.tables import Erasure
from app.telemetry.token import Claim

ERASED_FOR = timedelta(days=90)
"""So long the events of an erased subject are told from others."""


class Bounds(NamedTuple):
    """The least decision that is remembered, and when subjects were erased, in milliseconds."""

    oldest: bytes
    erased: Mapping[bytes, int]

    @property
    def everything(self) -> bool:
        """Whether every decision's events are taken."""
        return not any(self.oldest) and not self.erased

    def require(self, claim: Claim) -> None:
        """Refuse a decision that is not remembered, or about somebody who was erased since."""
        if claim.decision_id < self.oldest:
            raise EventTooOld("The decision lies before what is remembered.")
        if claim.at_ms <= self.erased.get(claim.unit, -1):
            raise SubjectErased("The decision's subject was erased after it.")


EVERYTHING = Bounds(bytes(16), {})


async def bounds_of(session: AsyncSession, tenant_id: UUID) -> Bounds:
    """Return a tenant's bounds as they are now."""
    oldest = await oldest_remembered(session, tenant_id)
    rows = await session.execute(
        select(Erasure.pseudonym, Erasure.at).where(
            Erasure.tenant_id == tenant_id, Erasure.at > func.now() - ERASED_FOR
        )
    )
    erased = {pseudonym: int(at.timestamp() * 1000) for pseudonym, at in rows}
    return Bounds(EVERYTHING.oldest if oldest is None else oldest.bytes, erased)
