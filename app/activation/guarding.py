"""Guarding: what a champion does since its swap, against the guardrails of its point.

A worker looks at each champion that has guardrails, and at whoever a ramp brings in beside him:
measures once, asks each condition, and acts on
the first that is true. It looks without a lock and acts under the point's, so that of two workers
one acts, and that a champion who left meanwhile is left alone. Everybody is looked at in the same
rhythm and judged by his newest hours alone, so that a good year hides no bad day.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, drift, gates, routing
from app.activation.guardrail_events import GuardrailBreached, GuardrailFailed
from app.activation.guardrail_facts import LANGUAGE
from app.activation.guardrail_measuring import measured
from app.activation.guardrail_said import Said, began_of, rising
from app.activation.guardrail_tables import Action, Breach, Guardrail, Look, Taken
from app.activation.guardrails import guardrails_at
from app.activation.judging import asks_for_alerts
from app.activation.reacting import Done, react
from app.kit.actor import Actor
from app.kit.canonical import plain
from app.platform.db import ALL_TENANTS, Database, clock
from app.platform.events import publish
from app.platform.rota import for_each

_ORDER = {Action.ALERT: 0, Action.VALIDATE: 1, Action.HOLD: 2, Action.ROLLBACK: 3, Action.STOP: 3}
"""What moves nobody comes first: after what does there is nobody left to look at."""
_RHYTHM = timedelta(seconds=10)
"""He is looked at again after so long, however long he has been champion."""


async def guard(database: Database) -> None:
    """Look at everybody who is due: who has a seat where there are guardrails."""
    seat, now = routing.Seat, func.clock_timestamp()
    async with database.session(ALL_TENANTS) as session:
        rows = await session.execute(
            select(seat.tenant_id, seat.id)
            .join(
                Guardrail,
                (Guardrail.tenant_id == seat.tenant_id) & (Guardrail.point_id == seat.point_id),
            )
            .outerjoin(Look, (Look.tenant_id == seat.tenant_id) & (Look.seat_id == seat.id))
            .where(
                seat.until.is_(None),
                or_(Look.at.is_(None), Look.at <= now - _RHYTHM),
            )
            .distinct()
        )
        due = [(row[0], row[1]) for row in rows]
    await for_each(database, due, look_at)


async def look_at(session: AsyncSession, tenant_id: UUID, seat_id: UUID) -> None:
    """Ask every guardrail of one champion's point, and act on what does not hold."""
    await _looked(session, tenant_id, seat_id)
    seat = await session.get(routing.Seat, (tenant_id, seat_id))
    if seat is None or seat.until is not None or await _held(session, seat):
        return
    now = await clock(session)
    began = await began_of(session, seat)
    if began is None or began > now:
        return
    said = await Said.of(session, seat, began)
    alerts = await drift.alert_facts(session, tenant_id, seat.point_id, seat.version_id)
    newest = max((one["fired_at"] for one in alerts["open"]), default=None)
    asked = [
        rail
        for rail in await guardrails_at(session, tenant_id, seat.point_id)
        if not said.already(rail, newest)
        and (rising(seat) or rail.action is not Action.HOLD)
        and (rising(seat) or _within(rail, said.since(rail), now))
    ]
    by_time = {
        since: [one for one in asked if said.since(one) == since]
        for since in sorted({said.since(one) for one in asked})
    }
    look = _Look(seat, newest)
    for since, rails in by_time.items():
        conditions = [rail.when for rail in rails]
        found = await measured(session, seat, since, now, alerts, conditions, began=began)
        await _ask(session, look, rails, found, said)
    if look.breached or look.failed:
        await _act(session, look)


def _within(rail: Guardrail, since: datetime, now: datetime) -> bool:
    """Say whether a guardrail looks at who is judged since then: of alerts it is told at once."""
    minutes = (now - since).total_seconds() / 60
    begun = minutes >= 0 or asks_for_alerts(rail.when)
    return begun and (rail.within_minutes is None or minutes <= rail.within_minutes)


async def _ask(
    session: AsyncSession, look: "_Look", rails: list[Guardrail], found: dict[str, Any], said: Said
) -> None:
    """Put the conditions to the facts, and note which did not hold or had no answer."""
    seat, whole = look.seat, gates.Facts(found, LANGUAGE)
    for rail in rails:
        if found["traffic"]["events"] < rail.min_events:
            continue
        facts, asked_of = found, whole
        if (heard := said.heard(rail)) is not None and asks_for_alerts(rail.when):
            newer = await drift.alert_facts(
                session, seat.tenant_id, seat.point_id, seat.version_id, since=heard
            )
            facts = {**found, "alerts": plain(newer)}
            asked_of = gates.Facts(facts, LANGUAGE)
        answer = gates.evaluate(rail.when, asked_of)
        if answer.error is not None:
            look.failed.append((rail, answer.error, facts))
        elif answer.passed:
            look.breached.append((rail, facts))


@dataclass(slots=True)
class _Look:
    """What was seen of a seat: guardrails that do not hold or have no answer, each by its facts."""

    seat: routing.Seat
    newest_alert: datetime | None
    breached: list[tuple[Guardrail, dict[str, Any]]] = field(default_factory=list)
    failed: list[tuple[Guardrail, str, dict[str, Any]]] = field(default_factory=list)


async def _looked(session: AsyncSession, tenant_id: UUID, seat_id: UUID) -> None:
    now = func.clock_timestamp()
    look = insert(Look).values(tenant_id=tenant_id, seat_id=seat_id, at=now)
    await session.execute(
        look.on_conflict_do_update(index_elements=["tenant_id", "seat_id"], set_={"at": now})
    )


async def _held(session: AsyncSession, seat: routing.Seat) -> bool:
    """Say whether a stop keeps a champion from deciding already."""
    holding = await routing.stopped(session, seat.tenant_id, seat.point_id)
    return any(stop.version_id in {None, seat.version_id} for stop in holding)


async def _act(session: AsyncSession, look: _Look) -> None:
    """Act once a guardrail and occasion, under the point's lock: alerts first, then what moves."""
    seat = look.seat
    system = Actor.system(seat.tenant_id)
    here = await catalog.point_by_id(session, seat.tenant_id, seat.point_id)
    point = await catalog.point_by_key(session, here.key, by=system, lock=True)
    await session.refresh(seat)
    began = await began_of(session, seat)
    if seat.until is not None or await _held(session, seat) or began is None:
        return
    said = await Said.of(session, seat, began)
    for rail, error, facts in look.failed:
        if not said.failed(rail):
            await _note(session, point, seat, rail, said, facts, Done(Taken.FAILED, error))
    order = sorted(look.breached, key=lambda one: (_ORDER[one[0].action], one[0].name))
    for rail, facts in order:
        if said.already(rail, look.newest_alert):
            continue
        done = await react(session, point, seat, rail, by=system)
        await _note(session, point, seat, rail, said, facts, done)
        if done.taken in {Taken.ROLLED_BACK, Taken.STOPPED}:
            return


async def _note(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    seat: routing.Seat,
    rail: Guardrail,
    said: Said,
    found: dict[str, Any],
    done: Done,
) -> None:
    """Write down what did not hold, by which facts, and what was done; tell whoever listens."""
    failed = done.taken is Taken.FAILED
    breach = Breach(
        tenant_id=seat.tenant_id,
        point_id=seat.point_id,
        seat_id=seat.id,
        version_id=seat.version_id,
        guardrail=rail.name,
        revision=rail.revision,
        when=rail.when,
        facts=found,
        action=rail.action,
        taken=done.taken,
        why=done.why,
        restored_id=done.restored_id,
        stop_id=done.stop_id,
        failed=failed,
        occasion=said.occasion(rail, failed=failed),
    )
    session.add(breach)
    await session.flush()
    await audit.record(
        session, Actor.system(seat.tenant_id),
        "guardrail.failed" if failed else "guardrail.breached", f"point:{point.id}",
        guardrail=rail.name, revision=rail.revision, when=rail.when, taken=done.taken,
        why=done.why, version_id=seat.version_id, seat=seat.id, breach=breach.id,
        restored_id=done.restored_id, stop=done.stop_id,
    )  # fmt: skip
    told: dict[str, Any] = {
        "tenant_id": seat.tenant_id,
        "point": point.key,
        "guardrail": rail.name,
        "breach_id": breach.id,
        "version_id": seat.version_id,
    }
    if failed:
        await publish(session, GuardrailFailed(**told, why=done.why or "unknown"))
    else:
        await publish(session, GuardrailBreached(**told, taken=done.taken.value, why=done.why))
