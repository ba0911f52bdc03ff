"""Charts: profiles of series in buckets of time, read once and in order."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.db import fetch
from app.telemetry.tables import HourProfile, ProfileKind
from app.telemetry.tally import Tally, summed

SECONDS_AN_HOUR = 3600
MOST_HOURS = 20_000
"""So many hours of series are unpacked for one chart."""

_PAYLOADS = """
SELECT series_id, hour, payload FROM telemetry_hour
WHERE tenant_id = %(tenant)s AND series_id = ANY(%(series)s) AND kind = %(kind)s
    AND hour >= %(first)s AND hour < %(last)s
ORDER BY hour
"""

Buckets = dict[UUID, dict[int, Tally]]
"""By series, then by bucket: hours since 1970, divided by the bucket's width."""


def hour_at(at: datetime) -> int:
    """Return the hour that a moment lies in, counted since 1970."""
    return int(at.timestamp() // SECONDS_AN_HOUR)


def begins(bucket: int, width: int) -> datetime:
    """Return when a bucket of ``width`` hours begins."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=bucket * width)


async def hours_between(
    session: AsyncSession,
    tenant_id: UUID,
    series: Sequence[UUID],
    kind: ProfileKind,
    first: int,
    last: int,
) -> int:
    """Return how many hours of series hold something in ``[first, last)``."""
    found = await session.scalar(
        select(func.count()).where(*_those(tenant_id, series, kind, first, last))
    )
    return found or 0


async def events_over(
    session: AsyncSession, tenant_id: UUID, series: Sequence[UUID], first: int, last: int
) -> int:
    """Return how many events the hours in ``[first, last)`` hold, of all series together."""
    found = await session.scalar(
        select(func.sum(HourProfile.n)).where(
            *_those(tenant_id, series, ProfileKind.INPUTS, first, last)
        )
    )
    return int(found or 0)


async def events_in(
    session: AsyncSession,
    tenant_id: UUID,
    series: Sequence[UUID],
    first: int,
    last: int,
    width: int,
) -> dict[UUID, dict[int, int]]:
    """Return how many events each bucket holds; no profile is unpacked for that."""
    bucket = HourProfile.hour.op("/")(width)
    rows = await session.execute(
        select(HourProfile.series_id, bucket, func.sum(HourProfile.n))
        .where(*_those(tenant_id, series, ProfileKind.INPUTS, first, last))
        .group_by(HourProfile.series_id, bucket)
        .order_by(bucket)
    )
    found: dict[UUID, dict[int, int]] = {one: {} for one in series}
    for series_id, number, events in rows:
        found[series_id][number] = int(events)
    return found


async def profiles_in(
    session: AsyncSession,
    tenant_id: UUID,
    series: Sequence[UUID],
    kind: ProfileKind,
    first: int,
    last: int,
    width: int,
    shift: int = 0,
) -> Buckets:
    """Return the profile of each bucket; unpacked in a thread.

    Buckets are counted since 1970, or since so many hours (``shift``) before it.
    """
    asked = {"tenant": tenant_id, "series": list(series), "kind": kind.value}
    rows = await fetch(session, _PAYLOADS, asked | {"first": first, "last": last})
    packed: dict[UUID, dict[int, list[bytes]]] = {one: {} for one in series}
    for series_id, hour, payload in rows:
        packed[series_id].setdefault((hour + shift) // width, []).append(payload)
    return await asyncio.to_thread(_unpacked, packed)


def _unpacked(packed: Mapping[UUID, Mapping[int, Sequence[bytes]]]) -> Buckets:
    return {
        series_id: {
            bucket: found
            for bucket, payloads in buckets.items()
            if (found := summed(payloads)) is not None
        }
        for series_id, buckets in packed.items()
    }


def _those(
    tenant_id: UUID, series: Sequence[UUID], kind: ProfileKind, first: int, last: int
) -> list[ColumnElement[bool]]:
    return [
        HourProfile.tenant_id == tenant_id,
        HourProfile.series_id.in_(series),
        HourProfile.kind == kind,
        HourProfile.hour >= first,
        HourProfile.hour < last,
    ]
