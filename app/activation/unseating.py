"""Unseating: a challenger gives its seat back, or the champion of a point that is stopped."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, gates, identity, routing
from app.activation import blocking
from app.identity import Action
from app.kit.actor import Actor

COMMITTED = "committed"
"""The result of an activation whose version has its seat."""


async def unseat(
    session: AsyncSession, point_key: str, seat_id: UUID, *, reason: str, by: Actor
) -> routing.Seat:
    """End a seat and its activation, by who may give seats.

    Arms that name it go first, by an edit of the plan: who ends an experiment says where its units
    go. A champion leaves without a successor only where everything is stopped, so that no unit is
    answered by nobody unforeseen.
    """
    point = await catalog.point_by_key(session, point_key, by=by, lock=True)
    seat = await routing.seat_by_id(session, point, seat_id)
    case = await gates.case_of(session, seat.case_id, by=by)
    await identity.require_right(
        session, by, Action.COMMIT_ACTIVATION, **gates.place(case), roles=gates.roles_in(case, by)
    )
    if seat.until is not None:
        raise routing.SeatVacant("This seat was given back.", until=seat.until)
    holding = await routing.stopped(session, by.tenant_id, point.id)
    whole = any(stop.version_id is None for stop in holding)
    if seat.role is routing.SeatRole.CHAMPION and not whole:
        raise routing.SeatTaken(
            "It is the champion's.",
            in_the_way=[
                {
                    "kind": "champion",
                    "decision_point": point.key,
                    "mend": "POST /v1/activations for another version and commit it; or POST"
                    f" /v1/decision-points/{point.key}:stop, then unseat it.",
                }
            ],
        )
    found = await catalog.versions_by_id(session, by.tenant_id, {seat.version_id})
    model, version = found[seat.version_id]
    named = await routing.plans_naming(session, by.tenant_id, model.name, version.number)
    arms = [name for kind, name in named.get(point.id, ()) if kind == "arm"]
    if arms and not whole:
        raise routing.SeatTaken(
            f"The plan sends traffic to it, as {', '.join(arms)}.",
            in_the_way=[
                {
                    "kind": "arm",
                    "decision_point": point.key,
                    "name": name,
                    "mend": f"PUT /v1/decision-points/{point.key}/plan without it.",
                }
                for name in arms
            ],
        )
    await routing.vacate(session, point, seat, reason=reason, by=by)
    await blocking.release_unseated(session, point)
    await leave(session, seat, "unseated", by=by)
    return seat


async def leave(session: AsyncSession, seat: routing.Seat, result: str, *, by: Actor) -> None:
    """Close the activation that a vacated seat came from."""
    case = await gates.case_of(session, seat.case_id, by=by)
    if case.closed_at is None:
        await gates.close_case(session, case, result=result, by=by)
