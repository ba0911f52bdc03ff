"""Measuring whether a version's telemetry arrives: its traffic, outcomes and how they keep on."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, drift, gates, routing, telemetry
from app.activation.arrival import SHARE_SIGNALS, Arrival, lacking, silence_allowed
from app.gates import Telemetry
from app.platform.db import clock

_HOUR = timedelta(hours=1)


async def tracking_of(session: AsyncSession, case: gates.Case) -> dict[str, Any]:
    """Return how an activation's version is watched, and whether there is what to watch it by."""
    assert case.point_id is not None  # noqa: S101 - an activation has a point
    key = (session, case.tenant_id, case.point_id, case.version_id)
    stand = await drift.standing(*key)
    return {
        "windows": stand.windows,
        "drifting": stand.drifting if stand.variables else None,
        "until": stand.until,
        **await asked_for(session, case, await telemetry.traffic(*key)),
    }


async def asked_for(
    session: AsyncSession, case: gates.Case, traffic: telemetry.Traffic
) -> dict[str, Any]:
    """Return what the case's policy asks production to report, and what of it is missing."""
    assert case.point_id is not None  # noqa: S101 - an activation has a point
    _, policy = await gates.law_of(session, case)
    asked = policy.telemetry or Telemetry()
    point = await catalog.point_by_id(session, case.tenant_id, case.point_id)
    seat = await routing.open_seat(session, case.tenant_id, point.id, case.version_id)
    velocity = point.contract["events_per_minute"]
    found = await arrival(
        session, case.tenant_id, case.version_id, traffic, asked,
        since=seat.since if seat else case.opened_at,
    )  # fmt: skip
    lacks = lacking(asked, found, events_per_minute=velocity)
    return {
        "asked": {
            "silence_minutes": silence_allowed(asked, velocity),
            **{name: getattr(asked, name) for name in SHARE_SIGNALS},
        },
        "arriving": {
            "silence_minutes": found.silence_minutes,
            **{name: getattr(found, name) for name in SHARE_SIGNALS},
        },
        "gaps": [lack.signal.value for lack in lacks],
    }


async def arrival(
    session: AsyncSession,
    tenant_id: UUID,
    version_id: UUID,
    traffic: telemetry.Traffic,
    asked: Telemetry,
    *,
    since: datetime,
) -> Arrival:
    """Measure what has arrived of a version that has its seat since ``since``.

    Of outcomes, which come late, in the window that they have had time for, and of decisions that
    were routed here: no outcome is joined to rows that were counted elsewhere.
    """
    now = await clock(session)
    last = max(since, traffic.through + _HOUR) if traffic.through else since
    width, late = timedelta(hours=asked.window_hours), timedelta(hours=asked.outcome_hours)
    seen = await telemetry.inputs(session, tenant_id, traffic.series, since=now - width)
    baseline = await telemetry.baseline_of(session, tenant_id, version_id)
    layout = telemetry.Layout.load(baseline.layout) if baseline else None
    inputs, score = _missing(layout, seen)
    # Profiles are by the hour: what may come at once is asked of the present one as well.
    first, end = now - late - width, now - late if late else None
    due = await telemetry.inputs(session, tenant_id, traffic.routed, since=first, until=end)
    outcomes = None
    if due and due.n:
        done = await telemetry.outcomes(session, tenant_id, traffic.routed, since=first, until=end)
        outcomes = min(1.0, max(done.labelled, done.rewarded) / due.n)
    return Arrival(
        silence_minutes=max(0.0, (now - last).total_seconds() / 60),
        # An event without inputs has none of them: no more lack them all than lack the rarest.
        features=1 - min(inputs) if inputs else None,
        scores=None if score is None else 1 - score,
        outcomes=outcomes,
    )


def _missing(
    layout: telemetry.Layout | None, seen: telemetry.Tally | None
) -> tuple[list[float], float | None]:
    """Return the share of events without each variable, and of those without a score."""
    if layout is None or seen is None or not seen.n or len(seen.counts) != layout.size:
        return [], None
    *inputs, score = (
        float(seen.counts[span][slot]) / seen.n
        for bins, span in layout.spans()
        if (slot := bins.slot("null")) is not None
    )
    return inputs, score
