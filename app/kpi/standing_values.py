"""Standing values: what of the reported values of a point's KPI stands, and what it comes to."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession

from app.kpi import ended
from app.kpi.agreement import Agreed
from app.kpi.reported import reported_by, reported_of
from app.kpi.rules import Found
from app.kpi.tables import NOBODY, Value


async def measured(
    session: AsyncSession,
    tenant_id: UUID,
    point_id: UUID,
    item: Agreed,
    version_id: UUID,
    *,
    since: datetime | None,
    until: datetime | None,
) -> Found:
    """Return what the values of ``[since, until)`` come to.

    The version's own, if there are any, else the point's; of one time what was said of the whole,
    else its segments: nothing is counted twice.
    """
    where = await _standing_for(
        session, tenant_id, point_id, item, version_id, since=since, until=until
    )
    found = await reported_by(session, Value, [Value.version_id], where)
    of = next((found[one,] for one in (version_id, NOBODY) if (one,) in found), {})
    return reported_of(of.get(0), item.aggregate)


async def measured_apart(
    session: AsyncSession,
    tenant_id: UUID,
    point_id: UUID,
    item: Agreed,
    version_id: UUID,
    *,
    segment: str,
    since: datetime | None,
    until: datetime | None,
) -> dict[str, Found]:
    """Return what the values of each segment come to, likewise.

    Of that which is named, and of those that are spelt as a value of it: ``state=NSW`` of `state`.
    """
    where = await _standing_for(
        session, tenant_id, point_id, item, version_id, since=since, until=until
    )
    where.append(_spelt(segment))
    every = await reported_by(session, Value, [Value.version_id, Value.segment], where)
    found = dict[str, Found]()
    for whose in (NOBODY, version_id):
        own = {name: of[0] for (one, name), of in every.items() if one == whose}
        found |= {name: of.found(item.aggregate) for name, of in own.items()}
    return found


async def over_time(
    session: AsyncSession,
    tenant_id: UUID,
    point_id: UUID,
    item: Agreed,
    *,
    version_id: UUID | None,
    segment: str | None,
    since: datetime,
    until: datetime,
    width: int,
) -> dict[tuple[UUID, str], dict[int, Found]]:
    """Return what values come to in buckets, by whose they are and segment, of the whole ``""``."""
    where = await _of(session, tenant_id, point_id, item)
    where += [Value.at >= since, Value.at < until]
    if version_id is not None:
        where.append(Value.version_id == version_id)
    by: list[Any] = [Value.version_id]
    if segment is not None:
        by.append(Value.segment)
        where.append(_spelt(segment))
    found = await reported_by(session, Value, by, where, width)
    return {
        (which[0], which[1] if segment is not None else ""): {
            bucket: said.found(item.aggregate) for bucket, said in buckets.items()
        }
        for which, buckets in found.items()
    }


async def _of(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, item: Agreed
) -> list[ColumnElement[bool]]:
    """Return what holds of the values of this KPI, and of no other that had its key."""
    place = (session, tenant_id, point_id)
    lives = await ended.lives(*place, [item.key], before=item.revision)
    return [
        Value.tenant_id == tenant_id,
        Value.point_id == point_id,
        Value.key == item.key,
        Value.life == lives[item.key],
    ]


async def _standing_for(
    session: AsyncSession,
    tenant_id: UUID,
    point_id: UUID,
    item: Agreed,
    version_id: UUID,
    *,
    since: datetime | None,
    until: datetime | None,
) -> list[ColumnElement[bool]]:
    found = await _of(session, tenant_id, point_id, item)
    found.append(Value.version_id.in_((NOBODY, version_id)))
    if since is not None:
        found.append(Value.at >= since)
    if until is not None:
        found.append(Value.at < until)
    return found


def _spelt(segment: str) -> ColumnElement[bool]:
    return (Value.segment == segment) | Value.segment.startswith(f"{segment}=", autoescape=True)
