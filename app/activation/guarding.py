"""Guarding: what a champion does since its swap, against the guardrails of its point.

A worker looks at each champion that has guardrails, and at whoever a ramp brings in beside him:
measures once, asks each condition, and acts on
the first that is true. It looks without a lock and acts under the point's, so that of two workers
one acts, and that a champion who left meanwhile is left alone. Everybody is looked at in the same
rhythm and judged by his newest hours alone, so that a good year hides no bad day.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

from sqlalchemy import Row, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, drift, gates, routing
from app.activation.guardrail_events import GuardrailBreached, GuardrailFailed
from app.activation.guardrail_facts import LANGUAGE
from app.activation.guardrail_measuring import measured
from app.activation.guardrail_tables import Action, Breach, Guardrail, Look, Taken
from app.activation.guardrails import guardrails_at
from app.activation.judging import asks_for_alerts, spoke
from app.activation.reacting import Done, react
from app.kit.actor import Actor
from app.kit.canonical import plain
from app.platform.db import ALL_TENANTS, Database, clock
from app.platform.events import publish
from app.platform.rota import for_each

_MOVED = frozenset({Taken.ROLLED_BACK, Taken.HELD})
"""What becomes of ramps, which may be resumed."""
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
    began = await _began(session, seat)
    if began is None or began > now:
        return
    minutes = (now - began).total_seconds() / 60
    said = await _Said.of(session, seat, began)
    place = (session, tenant_id, seat.point_id, seat.version_id)
    alerts = await drift.alert_facts(*place)
    newest = max((one["raised_at"] for one in alerts["open"]), default=None)
    asked = [
        rail
        for rail in await guardrails_at(session, tenant_id, seat.point_id)
        if not said.already(rail, newest)
        and (_rising(seat) or rail.action is not Action.HOLD)
        and (_rising(seat) or rail.within_minutes is None or minutes <= rail.within_minutes)
    ]
    if not asked:
        return
    found = await measured(session, seat, began, now, alerts, [rail.when for rail in asked])
    look, whole = _Look(seat, newest), gates.Facts(found, LANGUAGE)
    for rail in asked:
        if found["traffic"]["events"] < rail.min_events:
            continue
        facts, asked_of = found, whole
        if (last := said.last(rail)) is not None and asks_for_alerts(rail.when):
            # Of alerts that it has spoken of before it does not speak again.
            facts = {**found, "alerts": plain(await drift.alert_facts(*place, since=last))}
            asked_of = gates.Facts(facts, LANGUAGE)
        answer = gates.evaluate(rail.when, asked_of)
        if answer.error is not None:
            look.failed.append((rail, answer.error, facts))
        elif answer.passed:
            look.breached.append((rail, facts))
    if look.breached or look.failed:
        await _act(session, look)


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


def _rising(seat: routing.Seat) -> bool:
    """Say whether it is a challenger's: he may be brought in long after he was seated."""
    return seat.role is routing.SeatRole.CHALLENGER


async def _began(session: AsyncSession, seat: routing.Seat) -> datetime | None:
    """Return since when who sits there is guarded: the champion, and whom a ramp brings in.

    In a test or a bandit's hands a challenger is compared, and not yet trusted. Who was rolled back
    and is brought in again is judged by the hours after that.
    """
    if not _rising(seat):
        return seat.since
    found = (await routing.rising(session, seat.tenant_id, seat.point_id)).get(seat.version_id)
    if found is None:
        return None
    before = select(Breach.id).filter_by(tenant_id=seat.tenant_id, seat_id=seat.id)
    moved = before.where(Breach.at < found, Breach.taken.in_(_MOVED))
    if await session.scalar(moved.limit(1)) is None:
        return found
    return found.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


async def _held(session: AsyncSession, seat: routing.Seat) -> bool:
    """Say whether a stop keeps a champion from deciding already."""
    holding = await routing.stopped(session, seat.tenant_id, seat.point_id)
    return any(stop.version_id in {None, seat.version_id} for stop in holding)


class _Said:
    """What guardrails, as they now are, have said of a seat before."""

    def __init__(self, seat: routing.Seat, began: datetime, rows: Iterable[Row[Any]]) -> None:
        self._resumed = began if _rising(seat) else None
        self._last = {(one.guardrail, one.revision, one.failed): one for one in rows}

    @classmethod
    async def of(cls, session: AsyncSession, seat: routing.Seat, began: datetime) -> Self:
        """Return what is on record of a seat."""
        columns = ("guardrail", "revision", "failed", "at", "taken", "occasion")
        query = select(*(getattr(Breach, name) for name in columns)).filter_by(
            tenant_id=seat.tenant_id, seat_id=seat.id
        )
        return cls(seat, began, await session.execute(query.order_by(Breach.occasion)))

    def last(self, rail: Guardrail) -> datetime | None:
        """Return when a guardrail last spoke."""
        found = self._last.get((rail.name, rail.revision, False))
        return found.at if found else None

    def already(self, rail: Guardrail, newest_alert: datetime | None) -> bool:
        """Say whether a guardrail has said what it has to say."""
        found = self._last.get((rail.name, rail.revision, False))
        moved = found is not None and found.taken in _MOVED
        resumed = self._resumed if moved else None
        return spoke(rail.when, self.last(rail), resumed=resumed, newest_alert=newest_alert)

    def failed(self, rail: Guardrail) -> bool:
        """Say whether it is on record that a guardrail has no answer."""
        return (rail.name, rail.revision, True) in self._last

    def occasion(self, rail: Guardrail, *, failed: bool) -> int:
        """Return the number of the next time that it speaks."""
        found = self._last.get((rail.name, rail.revision, failed))
        return found.occasion + 1 if found else 1


async def _act(session: AsyncSession, look: _Look) -> None:
    """Act once a guardrail and occasion, under the point's lock: alerts first, then what moves."""
    seat = look.seat
    system = Actor.system(seat.tenant_id)
    here = await catalog.point_by_id(session, seat.tenant_id, seat.point_id)
    point = await catalog.point_by_key(session, here.key, by=system, lock=True)
    await session.refresh(seat)
    began = await _began(session, seat)
    if seat.until is not None or await _held(session, seat) or began is None:
        return
    said = await _Said.of(session, seat, began)
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
    said: _Said,
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
