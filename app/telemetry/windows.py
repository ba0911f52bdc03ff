"""Reading profiles: what a version saw and how it did, between two hours."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.db import fetch
from app.telemetry.arms import is_given, is_rehearsal, is_shadow, rehearsal_arm
from app.telemetry.charts import begins, hour_at
from app.telemetry.outcomes import performance
from app.telemetry.performance import Performance
from app.telemetry.tables import HourProfile, Outcome, ProfileKind, RawEvent, Receipt, Series
from app.telemetry.tally import Tally, summed

_AT_ONCE = 100
"""More hours than so many are unpacked in a thread: others are not to wait for them."""
_FIRST, _LAST = -(1 << 31), 1 << 31
"""No hour is before the one or after the other."""
# In one order: floats are added, and the same hours are to say the same to the last bit.
_PAYLOADS = """
SELECT payload FROM telemetry_hour
WHERE tenant_id = %(tenant)s AND series_id = ANY(%(series)s) AND kind = %(kind)s
    AND hour >= %(since)s AND hour < %(until)s
    AND NOT EXISTS (
        SELECT FROM unnest(%(without)s::bigint[], %(up_to)s::bigint[]) AS left_out (since, until)
        WHERE hour >= left_out.since AND hour < left_out.until)
ORDER BY hour, series_id
"""


Span = tuple[datetime, datetime]
"""From a moment up to another."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """A version's traffic at a decision point: its series and how far they are folded.

    ``routed`` are those whose events came here themselves: the rest was counted elsewhere.
    """

    series: tuple[UUID, ...]
    routed: tuple[UUID, ...]
    first_hour: datetime | None
    through: datetime | None
    events: int


async def traffic(
    session: AsyncSession,
    tenant_id: UUID,
    point_id: UUID,
    version_id: UUID,
    *,
    rehearsed: bool = False,
    given: bool = True,
) -> Traffic:
    """Return a version's production traffic at a point, or that of its release's rehearsal.

    What others counted and gave is left out unless it is to be ``given`` too. What it said as a
    shadow is not among it: a shadow decides nothing and earns nothing.
    """
    place = (tenant_id, point_id, version_id)
    rehearsal = await rehearsal_arm(session, *place) if rehearsed else None
    rows = [
        row
        for row in await session.scalars(
            select(Series).filter_by(tenant_id=tenant_id, point_id=point_id, version_id=version_id)
        )
        if (row.arm == rehearsal if rehearsed else not is_rehearsal(row.arm))
        and not is_shadow(row.arm)
        and (given or not is_given(row.arm))
    ]
    first = [row.first_hour for row in rows if row.first_hour is not None]
    through = [row.through for row in rows if row.through is not None]
    return Traffic(
        series=tuple(row.id for row in rows),
        routed=tuple(row.id for row in rows if not is_given(row.arm)),
        first_hour=min(first, default=None),
        through=max(through, default=None),
        events=sum(row.events for row in rows),
    )


async def inputs(
    session: AsyncSession,
    tenant_id: UUID,
    series: Sequence[UUID],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    without: Sequence[Span] = (),
) -> Tally | None:
    """Return the profile of the variables over ``[since, until)``; ``None`` of no traffic.

    The hours of the spans that it is to be ``without`` are left out.
    """
    return await _sum(session, tenant_id, series, ProfileKind.INPUTS, since, until, without)


async def outcomes(
    session: AsyncSession,
    tenant_id: UUID,
    series: Sequence[UUID],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    without: Sequence[Span] = (),
) -> Performance:
    """Return what the outcomes of events in ``[since, until)`` say, likewise."""
    return performance(
        await _sum(session, tenant_id, series, ProfileKind.OUTCOMES, since, until, without)
    )


async def _sum(
    session: AsyncSession,
    tenant_id: UUID,
    series: Sequence[UUID],
    kind: ProfileKind,
    since: datetime | None,
    until: datetime | None,
    without: Sequence[Span],
) -> Tally | None:
    asked = {
        "tenant": tenant_id,
        "series": list(series),
        "kind": kind.value,
        "since": _FIRST if since is None else hour_at(since),
        "until": _LAST if until is None else hour_at(until),
        "without": [hour_at(first) for first, _ in without],
        "up_to": [hour_at(end) for _, end in without],
    }
    payloads = [payload for (payload,) in await fetch(session, _PAYLOADS, asked)]
    if len(payloads) < _AT_ONCE:
        return _unpacked(payloads)
    return await asyncio.to_thread(_unpacked, payloads)


def _unpacked(payloads: Sequence[bytes]) -> Tally | None:
    return summed(payloads)


async def series_of(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> list[Series]:
    """Return every series of a decision point, rehearsals too."""
    return list(
        await session.scalars(
            select(Series)
            .filter_by(tenant_id=tenant_id, point_id=point_id)
            .order_by(Series.arm, Series.version_id)
        )
    )


async def events_of(
    session: AsyncSession, tenant_id: UUID, decision_id: UUID
) -> list[tuple[Receipt, Series, RawEvent | None]]:
    """Return the scored events of one decision: the arm's first, then the shadows'."""
    rows = await session.execute(
        select(Receipt, Series, RawEvent)
        .join(Series, (Series.tenant_id == Receipt.tenant_id) & (Series.id == Receipt.series_id))
        .outerjoin(
            RawEvent,
            (RawEvent.tenant_id == Receipt.tenant_id)
            & (RawEvent.decision_id == Receipt.decision_id)
            & (RawEvent.series_id == Receipt.series_id),
        )
        .where(Receipt.tenant_id == tenant_id, Receipt.decision_id == decision_id)
    )
    found = [(receipt, series, raw) for receipt, series, raw in rows]
    return sorted(found, key=lambda row: (is_shadow(row[1].arm), row[1].arm))


async def folded_since(
    session: AsyncSession, tenant_id: UUID, series: Sequence[UUID], since: datetime
) -> dict[int, datetime]:
    """Return by hour, from ``since`` on, when its profiles were folded last."""
    rows = await session.execute(
        select(HourProfile.hour, func.max(HourProfile.folded_at))
        .where(
            HourProfile.tenant_id == tenant_id,
            HourProfile.series_id.in_(series),
            HourProfile.kind.in_([ProfileKind.INPUTS, ProfileKind.OUTCOMES]),
            HourProfile.hour >= hour_at(since),
        )
        .group_by(HourProfile.hour)
    )
    return {row[0]: row[1] for row in rows}


async def next_hour(
    session: AsyncSession, tenant_id: UUID, series: Sequence[UUID], since: datetime
) -> datetime | None:
    """Return the first hour from ``since`` on that has events."""
    hour = await session.scalar(
        select(func.min(HourProfile.hour)).where(
            HourProfile.tenant_id == tenant_id,
            HourProfile.series_id.in_(series),
            HourProfile.kind == ProfileKind.INPUTS,
            HourProfile.hour >= hour_at(since),
        )
    )
    return None if hour is None else begins(hour, 1)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RANDOM_BITS = 80


def first_id(at: datetime) -> UUID:
    """Return the least id that a decision of a moment may have."""
    return UUID(int=(at - _EPOCH) // timedelta(milliseconds=1) << _RANDOM_BITS)


async def first_decision(
    session: AsyncSession, tenant_id: UUID, series: Sequence[UUID], *, since: datetime
) -> datetime | None:
    """Return when the first decision from ``since`` on was routed that came back as an event.

    A decision's id begins with its time, by the server's clock: the receipts' key is searched from
    there on, whatever time the sender gave his event.
    """
    found = await session.scalar(
        select(Receipt.decision_id)
        .where(
            Receipt.tenant_id == tenant_id,
            Receipt.decision_id >= first_id(since),
            Receipt.series_id.in_(series),
        )
        .order_by(Receipt.decision_id)
        .limit(1)
    )
    if found is None:
        return None
    return _EPOCH + timedelta(milliseconds=found.int >> _RANDOM_BITS)


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of a series: its events, and what their outcomes have said so far."""

    hour: int
    """Since 1970."""
    events: int
    performance: Performance


async def hours_of(
    session: AsyncSession, tenant_id: UUID, series: Sequence[UUID], since: datetime
) -> dict[UUID, list[Hour]]:
    """Return what series have shown from the hour of a moment on, hour by hour."""
    rows = await session.execute(
        select(
            HourProfile.series_id,
            HourProfile.hour,
            HourProfile.kind,
            HourProfile.n,
            # Of inputs their number is all: what else is known of them is long.
            case((HourProfile.kind == ProfileKind.OUTCOMES, HourProfile.payload)),
        )
        .where(
            HourProfile.tenant_id == tenant_id,
            HourProfile.series_id.in_(series),
            HourProfile.hour >= hour_at(since),
        )
        .order_by(HourProfile.hour)
    )
    found: dict[UUID, dict[int, Hour]] = {one: {} for one in series}
    for series_id, hour, kind, n, payload in rows:
        known = found[series_id].get(hour, Hour(hour, 0, performance(None)))
        if kind is ProfileKind.INPUTS:
            known = replace(known, events=n)
        else:
            known = replace(known, performance=performance(Tally.decode(payload)))
        found[series_id][hour] = known
    return {series_id: list(hours.values()) for series_id, hours in found.items()}


@dataclass(frozen=True, slots=True)
class Rewarded:
    """One scored event with what it earned, if anything came back."""

    series_id: UUID
    propensity: float
    features: dict[str, Any]
    reward: float | None


async def rewarded_of(
    session: AsyncSession,
    tenant_id: UUID,
    series: Sequence[UUID],
    *,
    since: datetime,
    until: datetime,
    waits: timedelta,
    most: int,
) -> list[Rewarded]:
    """Return the newest events of decisions in ``[since, until)``, each with its reward.

    Who ``waits`` counts what comes within that time of the decision, and everybody who brought
    nothing by then; else whoever has brought something counts.
    """
    brought = (Outcome.tenant_id == RawEvent.tenant_id) & (
        Outcome.decision_id == RawEvent.decision_id
    )
    if waits:
        brought &= Outcome.at <= RawEvent.decided_at + waits
    else:
        brought &= Outcome.reward.is_not(None)
    rows = await session.execute(
        select(RawEvent.series_id, RawEvent.propensity, RawEvent.features, Outcome.reward)
        .join(Outcome, brought, isouter=bool(waits))
        .where(
            RawEvent.tenant_id == tenant_id,
            RawEvent.decision_id >= first_id(since),
            RawEvent.decision_id < first_id(until),
            RawEvent.series_id.in_(series),
        )
        .order_by(RawEvent.decision_id.desc())
        .limit(most)
    )
    return [Rewarded(*row) for row in rows]
