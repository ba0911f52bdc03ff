"""What guardrails' conditions are asked of: measured of who has a seat, as of now."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, drift, gates, release, routing, telemetry
from app.activation.guardrail_facts import LANGUAGE, asks_for_events
from app.activation.guardrail_said import Said
from app.activation.guardrail_tables import Guardrail
from app.activation.judging import judged_since
from app.kit.canonical import plain
from app.platform.db import clock


async def measured(
    session: AsyncSession,
    seat: routing.Seat,
    since: datetime,
    now: datetime,
    alerts: dict[str, Any],
    asked: Iterable[str],
    *,
    began: datetime,
) -> dict[str, Any]:
    """Return the facts of a seat ``since`` a moment, or of its newest hours; when it ``began``.

    Of latency and errors only where a condition is about them: they are read from raw events.
    """
    since = judged_since(since, now)
    place = (session, seat.tenant_id, seat.point_id, seat.version_id)
    found: dict[str, Any] = plain(await release.measure_since(*place, since))
    if any(asks_for_events(when) for when in asked):
        found |= await _of_events(session, seat, since)
    minutes = (now - began).total_seconds() / 60
    return found | {"minutes_since_swap": minutes, "alerts": plain(alerts)}


async def _of_events(
    session: AsyncSession, seat: routing.Seat, since: datetime
) -> dict[str, dict[str, Any]]:
    point = await catalog.point_by_id(session, seat.tenant_id, seat.point_id)
    budget = float(point.contract["latency_ms"])
    of = (session, seat.tenant_id, seat.point_id, seat.version_id)
    series = (await telemetry.traffic(*of, given=False)).series
    seen = await telemetry.timing(session, seat.tenant_id, series, since=since, budget_ms=budget)
    return {
        "latency": {
            "events": seen.events,
            "measured": seen.measured,
            "p50_ms": seen.p50_ms,
            "p95_ms": seen.p95_ms,
            "p99_ms": seen.p99_ms,
            "max_ms": seen.max_ms,
            "budget_ms": budget,
            "over_budget": seen.over / seen.measured if seen.measured else None,
        },
        "errors": {
            "events": seen.events,
            "unanswered": seen.unanswered,
            "share": seen.unanswered / seen.events if seen.events else None,
        },
    }


@dataclass(frozen=True, slots=True)
class Says:
    """What a condition says of the present champion, were it asked now."""

    version_id: UUID
    events: int
    breached: bool | None
    """Nothing where it has no answer."""
    error: str | None


async def says(session: AsyncSession, rail: Guardrail, said: Said) -> Says:
    """Return what a guardrail's condition says of who sits there, as of now."""
    seat, since, now = said.seat, said.since(rail), await clock(session)
    of = (session, seat.tenant_id, seat.point_id, seat.version_id)
    alerts = await drift.alert_facts(*of, since=said.accepted)
    facts = await measured(session, seat, since, now, alerts, [rail.when], began=seat.since)
    answer = gates.evaluate(rail.when, gates.Facts(facts, LANGUAGE))
    return Says(
        version_id=seat.version_id,
        events=facts["traffic"]["events"],
        breached=None if answer.error is not None else answer.passed,
        error=answer.error,
    )
