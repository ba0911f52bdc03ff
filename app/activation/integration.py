"""Application integration, proven by traffic: routes were asked for, fitting events came back."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, gates, routing, telemetry
from app.activation import telemetry_check
from app.kit.actor import Actor


async def traffic_facts(
    session: AsyncSession,
    tenant_id: UUID,
    point_id: UUID,
    version_id: UUID,
    traffic: telemetry.Traffic,
) -> dict[str, Any]:
    """Return what a version's traffic at a point proves of the application that calls it.

    Production events carry the token of a route: all of them were asked for. Of how many the
    features fit, profiles know the least number only, for they count each variable by itself.
    """
    done = await telemetry.outcomes(session, tenant_id, traffic.series)
    since = await _since(session, tenant_id, point_id, version_id)
    first = None
    if since is not None and traffic.events:
        first = await telemetry.first_decision(session, tenant_id, traffic.series, since=since)
    return {
        "events": traffic.events,
        "labelled": done.labelled,
        "first_hour": traffic.first_hour,
        "through": traffic.through,
        "routed": traffic.events,
        "fitting": await _fitting(session, tenant_id, version_id, traffic.series),
        "first_integration_seconds": (
            max(0.0, (first - since).total_seconds()) if first and since else None
        ),
    }


async def measure(session: AsyncSession, case: gates.Case, step: str, *, by: Actor) -> None:
    """Record what a case's version has shown in production so far."""
    assert case.point_id is not None  # noqa: S101 - an activation has a point
    key = (session, case.tenant_id, case.point_id, case.version_id)
    payload = {
        **await traffic_facts(*key, await telemetry.traffic(*key, given=False)),
        **await telemetry_check.asked_for(session, case, await telemetry.traffic(*key)),
    }
    await gates.add_evidence(
        session, case.id, step, kind="traffic", payload=payload, by=by, measured=True
    )


async def overview(session: AsyncSession, key: str, *, by: Actor) -> dict[str, Any]:
    """Return how far the application of a point has integrated each version in a seat."""
    point = await catalog.point_by_key(session, key, by=by)
    seats = list(
        await session.scalars(
            select(routing.Seat)
            .filter_by(tenant_id=by.tenant_id, point_id=point.id, until=None)
            .order_by(routing.Seat.role, routing.Seat.since)
        )
    )
    versions = await catalog.versions_by_id(
        session, by.tenant_id, {seat.version_id for seat in seats}
    )
    found = []
    for seat in seats:
        model, version = versions[seat.version_id]
        of = (session, by.tenant_id, point.id, seat.version_id)
        facts = await traffic_facts(*of, await telemetry.traffic(*of, given=False))
        found.append(
            {
                "model": model.name,
                "version": version.number,
                "role": seat.role,
                "since": seat.since,
                "integrated": facts["routed"] > 0,
                **facts,
            }
        )
    return {"decision_point": key, "versions": found}


async def _since(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, version_id: UUID
) -> datetime | None:
    """Return when a version first got a seat at a point."""
    seats = select(routing.Seat.since).filter_by(
        tenant_id=tenant_id, point_id=point_id, version_id=version_id
    )
    return await session.scalar(seats.order_by(routing.Seat.since).limit(1))


async def _fitting(
    session: AsyncSession, tenant_id: UUID, version_id: UUID, series: tuple[UUID, ...]
) -> float | None:
    """Return the least share of events of which no variable is missing or unreadable."""
    baseline = await telemetry.baseline_of(session, tenant_id, version_id)
    found = await telemetry.inputs(session, tenant_id, series)
    if baseline is None or found is None or not found.n:
        return None
    layout = telemetry.Layout.load(baseline.layout)
    unfit = 0
    for bins, span in layout.spans()[:-1]:
        for extra in ("null", "invalid"):
            slot = bins.slot(extra)
            unfit += 0 if slot is None else int(found.counts[span][slot])
    return max(0.0, 1 - unfit / found.n)
