"""Which evidence counts, and how those who measure it again look it up."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from app.gates.cases import makers
from app.gates.rules import SAID_BY, SIGNED_BY
from app.gates.supplies import shared
from app.gates.tables import Case, Evidence


def _proven(case: Case) -> ColumnElement[bool]:
    """Say whether a row of a case is proven: measured, or signed where others may measure too.

    What the server alone measures nobody outranks by signing something else.
    """
    signed = and_(Evidence.kind.in_(shared(case.kind)), Evidence.payload.has_key(SIGNED_BY))
    return or_(Evidence.measured, signed)


async def counting(session: AsyncSession, case: Case, step: str) -> dict[str, dict[str, Any]]:
    """Return the facts of a step by kind: the newest that is proven, else the newest.

    So neither a newer claim nor an older proof hides what was found since; nor does the claim of
    who made the version hide what somebody else found. Of what somebody said ``said_by.part`` is
    what he had to do with making the version, nothing where he had no part.
    """
    made = await makers(session, case)
    proven = _proven(case)
    rows = await session.scalars(
        select(Evidence)
        .filter_by(tenant_id=case.tenant_id, case_id=case.id, step=step)
        .ext(distinct_on(Evidence.kind))
        .order_by(
            Evidence.kind, proven.desc(), and_(~proven, Evidence.author_id.in_(made)),
            Evidence.at.desc(), Evidence.id.desc(),
        )
    )  # fmt: skip
    return {
        row.kind: row.payload
        if row.measured
        else {**row.payload, SAID_BY: {"part": made.get(row.author_id)}}
        for row in rows
    }


async def last_proven(session: AsyncSession, case: Case, step: str, kind: str) -> datetime | None:
    """Return when the newest proof of a kind was measured, or said by who signed it."""
    rows = await session.execute(
        select(Evidence.at, Evidence.payload[SIGNED_BY]["at"].astext).where(
            Evidence.tenant_id == case.tenant_id,
            Evidence.case_id == case.id,
            Evidence.step == step,
            Evidence.kind == kind,
            or_(Evidence.measured, Evidence.payload.has_key(SIGNED_BY)),
        )
    )
    moments = (datetime.fromisoformat(said) if said else at for at, said in rows)
    return max(moments, default=None)


async def newest_measured(
    session: AsyncSession, case: Case, step: str, kind: str, *, sources: Collection[str] = ()
) -> dict[str, Any] | None:
    """Return what the server last measured of a kind for a step, from one of ``sources`` if any."""
    query = select(Evidence.payload).filter_by(
        tenant_id=case.tenant_id, case_id=case.id, step=step, kind=kind, measured=True
    )
    if sources:
        query = query.where(Evidence.payload["source"].astext.in_(sources))
    return await session.scalar(query.order_by(Evidence.at.desc(), Evidence.id.desc()).limit(1))
