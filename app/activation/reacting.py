"""Reacting: what a guardrail that does not hold leads to, under its point's lock."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, gates, release, routing
from app.activation import going_back
from app.activation.guardrail_tables import Action, Guardrail, Taken
from app.activation.rules import (
    NothingToRollBack,
    ReturnedVersion,
    ScoresExpired,
    UnapprovedVersion,
)
from app.kit.actor import Actor


@dataclass(frozen=True, slots=True)
class Done:
    """What a breach led to."""

    taken: Taken
    why: str | None = None
    restored_id: UUID | None = None
    stop_id: UUID | None = None


async def react(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    seat: routing.Seat,
    rail: Guardrail,
    *,
    by: Actor,
) -> Done:
    """Do what a guardrail asks for, or what comes next to it, and say what that was."""
    if rail.action is Action.ALERT:
        return Done(Taken.ALERTED)
    why = f"Guardrail {rail.name}: {rail.when}"
    if rail.action is Action.VALIDATE:
        return await _validated(session, seat, why, by=by)
    if seat.role is routing.SeatRole.CHALLENGER:
        return await _ramp(session, point, seat, rail, why, by=by)
    if rail.action is Action.STOP:
        return await _stopped(session, point, rail, None, by=by)
    return await _rolled_back(session, point, seat, rail, by=by)


async def _ramp(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    seat: routing.Seat,
    rail: Guardrail,
    why: str,
    *,
    by: Actor,
) -> Done:
    if rail.action is Action.HOLD:
        held = await routing.hold_version(session, point, seat.version_id, why=why, by=by)
        if not held:
            return Done(Taken.ALERTED, "Its ramp is held already.")
        return Done(Taken.HELD, f"The ramp of {', '.join(held)}.")
    gone = await routing.roll_back_version(session, point, seat.version_id, why=why, by=by)
    return Done(Taken.ROLLED_BACK, f"The ramp of {', '.join(gone)}.")


async def _rolled_back(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    seat: routing.Seat,
    rail: Guardrail,
    *,
    by: Actor,
) -> Done:
    try:
        back = await going_back.roll_back(
            session,
            point.key,
            instead_of=seat.version_id,
            reason=f"guardrail {rail.name}: {rail.when}",
            accepted=going_back.Accepted(),
            by=by,
        )
    except (
        NothingToRollBack,
        ReturnedVersion,
        ScoresExpired,
        UnapprovedVersion,
        routing.WouldStrand,
    ) as refusal:
        declared = await routing.declared(session, point.tenant_id, point.id)
        # The one before him was just refused: it does not come back as his fallback either.
        named = declared and declared.kind is not routing.FallbackKind.PREVIOUS_CHAMPION
        if named and await routing.stand_in(session, point) is not None:
            return await _stopped(session, point, rail, refusal.detail, by=by)
        return Done(Taken.ALERTED, refusal.detail)
    return Done(Taken.ROLLED_BACK, restored_id=back.version_id)


async def _stopped(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    rail: Guardrail,
    why: str | None,
    *,
    by: Actor,
) -> Done:
    stop = await routing.stop(
        session, point, cause=f"guardrail:{rail.name}", reason=rail.when, by=by
    )
    return Done(Taken.STOPPED, why, stop_id=stop.id)


async def _validated(session: AsyncSession, seat: routing.Seat, why: str, *, by: Actor) -> Done:
    """Have a version validated again, unless it is being already or was sent back.

    Who judges that, and may send the version back, is as ever for decision rights to say.
    """
    known = await catalog.versions_by_id(session, seat.tenant_id, {seat.version_id})
    model, _ = known[seat.version_id]
    version = await catalog.lock_version(session, seat.tenant_id, seat.version_id)
    for case in await gates.open_cases_of(session, seat.tenant_id, version.id):
        if case.kind is gates.CaseKind.VALIDATION:
            return Done(Taken.ALERTED, f"Validation {case.id} is open already.")
    if version.stage is catalog.Stage.RETURNED:
        return Done(Taken.ALERTED, f"It was returned to {version.returned_to} already.")
    case = await release.open_validation(session, model.name, version.number, because=why, by=by)
    return Done(Taken.VALIDATION_OPENED, f"Validation {case.id}.")
