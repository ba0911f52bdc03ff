"""Guarding: what a champion does since its swap, against the guardrails of its point.

A worker looks at each champion that has guardrails, and at whoever a ramp brings in beside him:
measures once, asks each condition, and acts on
the first that is true. It looks without a lock and acts under the point's, so that of two workers
one acts, and that a champion who left meanwhile is left alone. Everybody is looked at in the same
rhythm and judged by his newest hours alone, so that a good year hides no bad day.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, gates, release, routing
from app.activation import service
from app.activation.guardrail_events import GuardrailBreached, GuardrailFailed
from app.activation.guardrail_tables import Action, Breach, Guardrail, Look, Taken
from app.activation.guardrails import LANGUAGE, guardrails_at
from app.activation.judging import judged_since
from app.activation.rules import NothingToRollBack, ReturnedVersion, UnapprovedVersion
from app.kit.actor import Actor
from app.kit.canonical import plain
from app.platform.db import ALL_TENANTS, Database, clock
from app.platform.events import publish
from app.platform.rota import for_each

_RHYTHM = timedelta(seconds=10)
"""He is looked at again after so long, however long he has been champion."""


@dataclass(frozen=True, slots=True)
class _Done:
    """What a breach led to."""

    taken: Taken
    why: str | None = None
    restored_id: UUID | None = None
    stop_id: UUID | None = None


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
    settled = await _settled(session, seat, began)
    asked = [
        rail
        for rail in await guardrails_at(session, tenant_id, seat.point_id)
        if (rail.name, rail.revision, False) not in settled
        and (_rising(seat) or rail.within_minutes is None or minutes <= rail.within_minutes)
    ]
    if not asked:
        return
    since = judged_since(began, now)
    found: dict[str, Any] = plain(
        await release.measure_since(session, tenant_id, seat.point_id, seat.version_id, since)
    )
    found["minutes_since_swap"] = minutes
    facts = gates.Facts(found, LANGUAGE)
    breached: list[Guardrail] = []
    failed: list[tuple[Guardrail, str]] = []
    for rail in asked:
        if found["traffic"]["events"] < rail.min_events:
            continue
        answer = gates.evaluate(rail.when, facts)
        if answer.error is not None:
            failed.append((rail, answer.error))
        elif answer.passed:
            breached.append(rail)
    if breached or failed:
        await _act(session, seat, breached, failed, found)


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
    before = select(Breach.id).filter_by(
        tenant_id=seat.tenant_id, seat_id=seat.id, taken=Taken.ROLLED_BACK
    )
    if await session.scalar(before.where(Breach.at < found).limit(1)) is None:
        return found
    return found.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


async def _held(session: AsyncSession, seat: routing.Seat) -> bool:
    """Say whether a stop keeps a champion from deciding already."""
    holding = await routing.stopped(session, seat.tenant_id, seat.point_id)
    return any(stop.version_id in {None, seat.version_id} for stop in holding)


async def _settled(
    session: AsyncSession, seat: routing.Seat, began: datetime
) -> set[tuple[str, int, bool]]:
    """Return the guardrails that have spoken about a seat, as they then were, and who failed.

    Those that rolled back a ramp may speak again once it was resumed.
    """
    query = select(Breach.guardrail, Breach.revision, Breach.failed).filter_by(
        tenant_id=seat.tenant_id, seat_id=seat.id
    )
    if _rising(seat):
        query = query.where(or_(Breach.at >= began, Breach.taken != Taken.ROLLED_BACK))
    rows = await session.execute(query)
    return {(row[0], row[1], row[2]) for row in rows}


async def _act(
    session: AsyncSession,
    seat: routing.Seat,
    breached: list[Guardrail],
    failed: list[tuple[Guardrail, str]],
    found: dict[str, Any],
) -> None:
    """Act once a seat and guardrail, under the point's lock: alerts first, then what moves him."""
    system = Actor.system(seat.tenant_id)
    here = await catalog.point_by_id(session, seat.tenant_id, seat.point_id)
    point = await catalog.point_by_key(session, here.key, by=system, lock=True)
    await session.refresh(seat)
    began = await _began(session, seat)
    if seat.until is not None or await _held(session, seat) or began is None:
        return
    settled = await _settled(session, seat, began)
    for rail, error in failed:
        if (rail.name, rail.revision, True) not in settled:
            await _note(session, point, seat, rail, found, _Done(Taken.FAILED, error))
    for rail in sorted(breached, key=lambda rail: (rail.action is not Action.ALERT, rail.name)):
        if (rail.name, rail.revision, False) in settled:
            continue
        done = await _done(session, point, seat, rail, by=system)
        await _note(session, point, seat, rail, found, done)
        if done.taken in {Taken.ROLLED_BACK, Taken.STOPPED}:
            return


async def _done(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    seat: routing.Seat,
    rail: Guardrail,
    *,
    by: Actor,
) -> _Done:
    if rail.action is Action.ALERT:
        return _Done(Taken.ALERTED)
    if _rising(seat):
        why = f"Guardrail {rail.name}: {rail.when}"
        gone = await routing.roll_back_version(session, point, seat.version_id, why=why, by=by)
        return _Done(Taken.ROLLED_BACK, f"The ramp of {', '.join(gone)}.")
    if rail.action is Action.STOP:
        return await _stopped(session, point, rail, None, by=by)
    try:
        await _require_another(session, seat)
        back = await service.roll_back(
            session,
            point.key,
            instead_of=seat.version_id,
            reason=f"guardrail {rail.name}: {rail.when}",
            accept_returned=False,
            accept_unapproved=False,
            by=by,
        )
    except (
        NothingToRollBack, ReturnedVersion, UnapprovedVersion, routing.WouldStrand
    ) as refusal:  # fmt: skip
        declared = await routing.declared(session, point.tenant_id, point.id)
        # The one before him was just refused: it does not come back as his fallback either.
        named = declared and declared.kind is not routing.FallbackKind.PREVIOUS_CHAMPION
        if named and await routing.stand_in(session, point) is not None:
            return await _stopped(session, point, rail, refusal.detail, by=by)
        return _Done(Taken.ALERTED, refusal.detail)
    return _Done(Taken.ROLLED_BACK, restored_id=back.version_id)


async def _require_another(session: AsyncSession, seat: routing.Seat) -> None:
    """Refuse to go back to who was just rolled back from: two bad versions would take turns."""
    before = await routing.previous_champion(
        session, seat.tenant_id, seat.point_id, other_than=seat.version_id
    )
    if before is not None and seat.cause == "rolled_back" and before.until == seat.since:
        raise NothingToRollBack("The champion before was itself rolled back from.")


async def _stopped(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    rail: Guardrail,
    why: str | None,
    *,
    by: Actor,
) -> _Done:
    stop = await routing.stop(
        session, point, cause=f"guardrail:{rail.name}", reason=rail.when, by=by
    )
    return _Done(Taken.STOPPED, why, stop_id=stop.id)


async def _spoken(
    session: AsyncSession, seat: routing.Seat, rail: Guardrail, *, failed: bool
) -> Breach | None:
    """Return what is on record of a guardrail and a seat: of a ramp that was resumed."""
    return await session.scalar(
        select(Breach).filter_by(
            tenant_id=seat.tenant_id,
            seat_id=seat.id,
            guardrail=rail.name,
            revision=rail.revision,
            failed=failed,
        )
    )


async def _note(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    seat: routing.Seat,
    rail: Guardrail,
    found: dict[str, Any],
    done: _Done,
) -> None:
    """Write down what did not hold, by which facts, and what was done; tell whoever listens."""
    failed = done.taken is Taken.FAILED
    breach = await _spoken(session, seat, rail, failed=failed) or Breach(
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
