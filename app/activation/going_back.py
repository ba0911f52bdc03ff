"""Going back: a champion gives the seat back to the one before, or that is undone."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, gates, identity, routing
from app.activation import desired
from app.activation.guardrail_tables import Breach, Taken
from app.activation.rules import (
    NothingToRollBack,
    NothingToUndo,
    ReturnedVersion,
    ScoresExpired,
    SwapLost,
    UnapprovedVersion,
)
from app.activation.unseating import COMMITTED, leave
from app.catalog import Stage
from app.gates import CaseKind
from app.identity import Action
from app.kit.actor import Actor
from app.platform.db import clock


@dataclass(frozen=True, slots=True)
class Accepted:
    """What somebody says aloud that he goes back to all the same."""

    returned: bool = False
    unapproved: bool = False
    expired: bool = False
    cause: bool = False
    """That what a guardrail rolled back is brought back though nothing says it is any better."""


async def roll_back(
    session: AsyncSession,
    point_key: str,
    *,
    instead_of: UUID,
    reason: str,
    accepted: Accepted,
    undo: bool = False,
    by: Actor,
) -> routing.Seat:
    """Give the seat back to the champion before ``instead_of``, the one who sits there now.

    Done again with the new one, it goes one further. ``undo`` brings back whom the last rollback
    threw out instead. Two who press the button at once mean the same, so the second finds another
    champion there and is told so.
    """
    point = await catalog.point_by_key(session, point_key, by=by, lock=True)
    champion = await routing.champion_of(session, by.tenant_id, point.id)
    known = await routing.succession_of(session, by.tenant_id, point.id)
    if champion is None:
        raise _nobody(point, known, f"{point_key} has no champion.")
    if champion.version_id != instead_of:
        raise SwapLost(
            "Another version is champion by now.",
            instead_of=instead_of,
            champion=champion.version_id,
        )
    back = _undone(point, known) if undo else _before(point, known, accepted)
    case = await gates.case_of(session, back.case_id, by=by)
    # By who had no part in the version that comes back, not in a lent role either.
    await identity.require_right(
        session, by, Action.ROLL_BACK, **gates.place(case), roles=gates.roles_in(case, by)
    )
    _, version = known.versions[back.version_id]
    _require_fit(version, accepted)
    expired = await _expired(session, *known.versions[back.version_id], accepted)
    causes = await _causes(session, back) if undo else []
    if causes and not accepted.cause:
        raise routing.CauseStands(
            f"The server rolled it back for {', '.join(causes)}.",
            causes=causes,
            mend="Repeat with accept_cause=true, which is recorded; or POST /v1/activations.",
        )
    invalid = await _unapproved(session, case, point, back)
    if invalid and not accepted.unapproved:
        raise UnapprovedVersion(f"The earlier champion: {'; '.join(invalid)}.", invalid=invalid)
    await routing.require_answered(session, point, champion, back)
    cause = routing.REINSTATED if undo else routing.ROLLED_BACK
    seat = await routing.crown(
        session,
        point,
        back.version_id,
        case_id=back.case_id,
        endpoint=back.endpoint,
        parameters=back.parameters,
        cause=cause,
        by=by,
    )
    await leave(session, champion, "replaced" if undo else routing.ROLLED_BACK, by=by)
    if case.closed_at is not None:
        # An activation that asked for the seat it now has again is overtaken.
        await gates.close_open_cases(
            session, back.version_id, result="overtaken", by=by,
            point_id=point.id, kind=CaseKind.ACTIVATION,
        )  # fmt: skip
        await gates.reopen_case(session, case, result=COMMITTED, by=by)
    await audit.record(
        session, by, f"champion.{cause}", f"point:{point.id}",
        to=back.version_id, instead_of=champion.version_id,
        passed_over=[] if undo else known.over(back),
        returned=version.stage is Stage.RETURNED, unapproved=invalid, expired=expired,
        accepted=causes,
        cold=await desired.cold(session, point, version),
        version_id=back.version_id, personal={"reason": reason},
    )  # fmt: skip
    return seat


def _before(
    point: catalog.DecisionPoint, known: routing.Succession, accepted: Accepted
) -> routing.Seat:
    """Return whom the point goes back to; where only whom to accept aloud is left, him."""
    found = known.back(accept_returned=accepted.returned) or known.back(accept_returned=True)
    if found is None:
        told = _passed_over(known)
        named = ", ".join(f"{one['model']}@{one['version']} {one['why']}" for one in told)
        raise _nobody(
            point,
            known,
            f"Nobody is left to go back to at {point.key}: {named}."
            if told
            else f"{point.key} has had no other champion.",
        )
    return found


def _undone(point: catalog.DecisionPoint, known: routing.Succession) -> routing.Seat:
    found = known.forward()
    if found is None:
        raise NothingToUndo(
            f"The champion of {point.key} did not come by a rollback.", filled={"key": point.key}
        )
    if known.versions[found.version_id][1].stage is Stage.RETIRED:
        raise NothingToUndo("Whoever was rolled back from is retired.", filled={"key": point.key})
    return found


def _nobody(point: catalog.DecisionPoint, known: routing.Succession, why: str) -> NothingToRollBack:
    return NothingToRollBack(why, passed_over=_passed_over(known), filled={"key": point.key})


def _passed_over(known: routing.Succession) -> list[dict[str, Any]]:
    """Return who was champion before, and why nobody goes back to him."""
    reigning = {reign.version_id for reign in known.line.reigns[-1:]}
    return [
        {
            "version_id": version.id,
            "model": model.name,
            "version": version.number,
            "why": "was rolled back from"
            if version.id in known.line.thrown
            else f"is {version.stage}",
        }
        for model, version in known.versions.values()
        if version.id not in reigning
    ]


def _require_fit(version: catalog.Version, accepted: Accepted) -> None:
    if version.stage in routing.FIT or accepted.returned:
        return
    back = version.stage is Stage.RETURNED
    raise ReturnedVersion(
        f"The earlier champion was returned to {version.returned_to}."
        if back
        else f"The earlier champion was sent back; it is {version.stage} again, not released.",
        version_id=str(version.id),
    )


async def _expired(
    session: AsyncSession, model: catalog.Model, version: catalog.Version, accepted: Accepted
) -> bool:
    """Say whether scores that were computed beforehand are too old; refuse them if unsaid."""
    found = catalog.expired(version.specifics, await clock(session))
    if found and not accepted.expired:
        until = catalog.expires_at(version.specifics)
        raise ScoresExpired(
            f"Those of the earlier champion were valid until {until}.",
            valid_until=until,
            mend=f"POST /v1/models/{model.name}/versions with scores that were computed anew; or"
            " repeat with accept_expired=true if it is still the lesser evil.",
        )
    return found


async def _causes(session: AsyncSession, thrown: routing.Seat) -> list[str]:
    """Return for which guardrails the server itself threw somebody out of a seat.

    What they saw of him is not undone by time: that it does not matter somebody has to say.
    """
    rows = await session.scalars(
        select(Breach.guardrail)
        .filter_by(tenant_id=thrown.tenant_id, seat_id=thrown.id, taken=Taken.ROLLED_BACK)
        .distinct()
    )
    return [f"guardrail:{name}" for name in sorted(rows)]


async def _unapproved(
    session: AsyncSession, case: gates.Case, point: catalog.DecisionPoint, back: routing.Seat
) -> list[str]:
    """Return why a version is no longer what its activation, and what that stands on, were of."""
    own = (await gates.stand(session, case.tenant_id, [case]))[case.id].invalid
    below = await gates.unsound(session, case.tenant_id, case.version_id, point.id)
    inside = await catalog.unfit_inside(session, case.tenant_id, [case.version_id])
    unwaived = await gates.unwaived(session, case)
    strange = await routing.unagreed_instances(session, point, back)
    return [
        *own,
        *(f"{step}: a waiver that it was passed under has ended" for step in unwaived),
        *(f"its instance {key} was never agreed to here" for key in strange),
        *(f"{case.kind}: {'; '.join(why)}" for case, why, _ in below),
        *(
            f"its member {model.name}@{member.number} is {member.stage}"
            for model, member in inside.get(case.version_id, ())
        ),
    ]
