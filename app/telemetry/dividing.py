"""Dividing: how series' traffic divides by a feature, read from the profiles of its parts."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog
from app.telemetry.charts import begins, hour_at, hours_between
from app.telemetry.grouped import Answered
from app.telemetry.layout import Layout, category
from app.telemetry.outcomes import performance
from app.telemetry.segments import (
    MOST_VALUES,
    REST,
    NoSuchSegment,
    TooManyHours,
    answered,
    asked_for,
    judged,
)
from app.telemetry.tables import Baseline, HourProfile, ProfileKind, Segment
from app.telemetry.tally import Tally
from app.telemetry.windows import series_of

_MOST_HOURS = 200_000
"""So many hours of parts are unpacked for one comparison."""
_AT_A_TIME = 2_000


async def segments_of(
    session: AsyncSession,
    tenant_id: UUID,
    series: Sequence[UUID],
    variable: str | None = None,
) -> list[Segment]:
    """Return the parts of series of which something is known, of one feature if it is named."""
    query = (
        select(Segment)
        .where(
            Segment.tenant_id == tenant_id,
            Segment.series_id.in_(series),
            Segment.first_hour.is_not(None),
        )
        .order_by(Segment.series_id, Segment.variable, Segment.value)
    )
    if variable is not None:
        query = query.where(Segment.variable == variable)
    return list(await session.scalars(query))


def require_declared(point: catalog.DecisionPoint, variable: str) -> None:
    """Refuse a feature that a point's contract does not tell its traffic apart by."""
    if variable not in point.contract.get("segments", ()):
        declared = ", ".join(point.contract.get("segments", ()))
        raise NoSuchSegment(
            f"The events of {point.key} are not told apart by {variable!r}; they are by"
            f" {declared or 'nothing'}.",
            filled={"key": point.key},
        )


async def named_segments(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    series: Sequence[UUID],
    segment: str,
) -> list[Segment]:
    """Return the parts that ``state`` or ``state=NSW`` names, of a point's series.

    Refused is what its contract does not name and what was never counted: a value too, once there
    are others.
    """
    variable, value = asked_for(segment)
    found = await segments_of(session, point.tenant_id, series, variable)
    if not found:
        require_declared(point, variable)
    named = [one for one in found if value in {None, one.value}]
    if value is not None and not named:
        await _require_value(session, point, variable, value)
    return named


async def _require_value(
    session: AsyncSession, point: catalog.DecisionPoint, variable: str, value: str
) -> None:
    """Refuse a value of a feature that neither events nor a baseline of the point know."""
    series = await series_of(session, point.tenant_id, point.id)
    counted = await session.scalars(
        select(Segment.value).where(
            Segment.tenant_id == point.tenant_id,
            Segment.series_id.in_([one.id for one in series]),
            Segment.variable == variable,
        )
    )
    known = set(counted)
    if not known or value in known:
        return
    layouts = await session.scalars(
        select(Baseline.layout).where(
            Baseline.tenant_id == point.tenant_id,
            Baseline.version_id.in_({one.version_id for one in series}),
        )
    )
    for bins in (bins for layout in layouts for bins in Layout.load(layout).variables):
        if bins.name == variable and value in {*map(category, bins.marks), *bins.rest}:
            return
    shown = sorted(known)[:MOST_VALUES]
    raise NoSuchSegment(
        f"No event of {point.key} has been counted under {variable}={value!r}; counted are"
        f" {', '.join(shown)}{', …' if len(known) > len(shown) else ''}.",
        mend=f"Name one of `known`, as `{variable}={shown[0]}`, or `{variable}` for each of them;"
        f" what has no part of its own is counted under `{variable}={REST}`.",
        known=shown,
    )


async def answered_in_parts(
    session: AsyncSession,
    tenant_id: UUID,
    segments: Sequence[Segment],
    *,
    since: datetime,
    until: datetime,
    parts: int,
) -> list[Answered]:
    """Count a feature's groups in each of equal parts of ``[since, until)``, by whole hours.

    What raw events say, as ``answered_by`` counts them, if all were counted by this feature. An
    hour belongs to the part that it begins in.
    """
    ids = [one.id for one in segments]
    first, last = hour_at(since), hour_at(until - timedelta(microseconds=1)) + 1
    for kind in ProfileKind:
        hours = await hours_between(session, tenant_id, ids, kind, first, last)
        if hours > _MOST_HOURS:
            raise TooManyHours(f"{hours} hours hold something; {_MOST_HOURS} are read.")
    named = {one.id: one.value for one in segments}
    width = max((until - since) / parts, timedelta.resolution)
    found: dict[tuple[int, str], Answered] = {}
    rows = await session.stream(
        select(HourProfile.series_id, HourProfile.kind, HourProfile.hour, HourProfile.payload)
        .where(
            HourProfile.tenant_id == tenant_id,
            HourProfile.series_id.in_(ids),
            HourProfile.hour >= first,
            HourProfile.hour < last,
        )
        .execution_options(yield_per=_AT_A_TIME)
    )
    async for some in rows.partitions():
        for (series_id, hour), one in (await asyncio.to_thread(_counted, some)).items():
            part = max((begins(hour, 1) - since) // width, 0)
            key = part, named[series_id]
            found[key] = found.get(key, Answered(*key, 0, 0, 0, 0, 0, 0)).plus(one)
    return [found[key] for key in sorted(found) if found[key].n]


def _counted(
    rows: Sequence[tuple[UUID, ProfileKind, int, bytes]],
) -> Mapping[tuple[UUID, int], Answered]:
    nothing = Answered(0, "", 0, 0, 0, 0, 0, 0)
    found: dict[tuple[UUID, int], Answered] = defaultdict(lambda: nothing)
    for series_id, kind, hour, payload in rows:
        tally = Tally.decode(payload)
        if kind is ProfileKind.INPUTS:
            one = Answered(0, "", *answered(tally), 0, 0, 0, 0)
        else:
            one = Answered(0, "", 0, 0, *judged(performance(tally)))
        found[series_id, hour] = found[series_id, hour].plus(one)
    return found
