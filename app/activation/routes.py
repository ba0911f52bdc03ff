from typing import Annotated, Any
from uuid import UUID

from fastapi import Path

from app import catalog, gates, routing
from app.activation import desired, going_back, reign, service, trace
from app.activation.deployment_schemas import RollbackOut
from app.activation.rules import (
    LighterTier,
    MembersUnfit,
    NothingToRollBack,
    NothingToUndo,
    NotPrepared,
    NotReady,
    ReturnedVersion,
    ScoresExpired,
    SwapLost,
    UnapprovedVersion,
)
from app.activation.schemas import ActivationIn, ChampionOut, RollbackIn, TraceOut
from app.kit.actor import Actor
from app.kit.moment import InTheFuture
from app.kit.names import NAME
from app.kit.refusal import AlreadyExists, NotFound
from app.platform.http import At, Session, allow, responses
from app.platform.http import router as make_router

activations = make_router("/v1/activations", tag="activation")
points = make_router("/v1/decision-points", tag="activation")
decisions = make_router("/v1/decisions", tag="activation")
routers = (activations, points, decisions)

StepName = Annotated[str, Path(pattern=r"^[a-z_]{1,64}$")]
Operator = Annotated[Actor, allow("activation:operate")]


@activations.post(
    "",
    status_code=201,
    response_model=gates.CaseOut,
    responses=responses(
        NotFound, NotReady, LighterTier, MembersUnfit, AlreadyExists, catalog.BadEndpoint
    ),
)
async def open_activation(body: ActivationIn, actor: Operator, session: Session) -> gates.Case:
    """Ask for a released version to decide at a point, as champion or as challenger.

    What is inside of an ensemble, at whatever depth, must at least be validated.
    """
    return await service.open_activation(
        session,
        body.model,
        body.version,
        point_key=body.decision_point,
        role=body.role,
        endpoint=body.endpoint,
        parameters=body.parameters,
        by=actor,
    )


@activations.post(
    "/{case_id}/steps/{step}:judge",
    response_model=gates.VerdictOut,
    responses=responses(NotFound, gates.NotAStep, gates.OutOfTurn),
)
async def judge_step(
    case_id: UUID, step: StepName, actor: Operator, session: Session
) -> gates.Verdict:
    """Measure and judge a step of an activation."""
    return await service.judge_step(session, case_id, step, by=actor)


@activations.post(
    "/{case_id}:commit",
    response_model=routing.SeatOut,
    responses=responses(
        NotFound,
        gates.StepsOpen,
        SwapLost,
        NotReady,
        NotPrepared,
        MembersUnfit,
        ScoresExpired,
        routing.NoInstance,
    ),
)
async def commit(case_id: UUID, actor: Operator, session: Session) -> dict[str, Any]:
    """Swap: the version takes its seat at once, everywhere within seconds.

    A stop that holds at the point stays: the seat then says `stopped`.
    """
    return await routing.seat_shown(session, await service.commit(session, case_id, by=actor))


@points.post(
    "/{key}:rollback",
    response_model=RollbackOut,
    responses=responses(
        NotFound,
        NothingToRollBack,
        NothingToUndo,
        SwapLost,
        ReturnedVersion,
        UnapprovedVersion,
        ScoresExpired,
        routing.CauseStands,
        routing.WouldStrand,
    ),
)
async def roll_back(
    key: Annotated[str, Path(pattern=NAME)], body: RollbackIn, actor: Operator, session: Session
) -> dict[str, Any]:
    """Give the seat back to the champion before `instead_of`, which must be champion still.

    Called again with the new champion it goes one further back. Passed over is whoever was rolled
    back from and did not win an activation since, was sent back or retired; where nobody is left,
    `nothing_to_roll_back_to` says who was passed over and why. `undo` undoes the last rollback;
    of one that a guardrail made only with `accept_cause`.

    One call, whether the earlier champion is still warm or not: `cold` says where it is not.
    A stop that holds here stays, and the seat then says `stopped`. Where by default the earlier
    champion himself answers in that stop, nobody would any more: `would_strand` names the stops to
    resume first, each with its call. A guardrail does not roll back under a stop.
    """
    seat = await going_back.roll_back(
        session,
        key,
        instead_of=body.instead_of,
        reason=body.reason,
        accepted=going_back.Accepted(
            returned=body.accept_returned,
            unapproved=body.accept_unapproved,
            expired=body.accept_expired,
            cause=body.accept_cause,
        ),
        undo=body.undo,
        by=actor,
    )
    cold = await desired.cold_at(session, key, seat.version_id, by=actor)
    return {**await routing.seat_shown(session, seat), "cold": cold}


@points.get(
    "/{key}/champion",
    response_model=ChampionOut,
    responses=responses(NotFound, routing.NothingThen, InTheFuture),
)
async def get_champion(
    key: Annotated[str, Path(pattern=NAME)],
    actor: Annotated[Actor, allow("routing:read")],
    session: Session,
    at: At = None,
) -> dict[str, Any]:
    """Return which version is champion, or was `at` a moment, and who made it so."""
    return await reign.champion_at(session, key, at, by=actor)


@decisions.get("/{decision_id}", response_model=TraceOut, responses=responses(NotFound))
async def trace_decision(
    decision_id: UUID, actor: Annotated[Actor, allow("telemetry:read")], session: Session
) -> dict[str, Any]:
    """Trace a decision: events, outcome, plan, version, and the people who approved."""
    return await trace.trace(session, decision_id, by=actor)
