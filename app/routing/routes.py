from typing import Annotated, Any

from fastapi import Path, Query, Response

from app import catalog, gates, identity
from app.kit.actor import Actor
from app.kit.moment import InTheFuture
from app.kit.names import NAME
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.platform.http import (
    At,
    Authenticator,
    Cursor,
    HotRoute,
    IfMatch,
    Limit,
    Session,
    Snapshot,
    allow,
    etag,
    hot_responses,
    responses,
)
from app.platform.http import router as make_router
from app.platform.http.documented import editing as editing_responses
from app.platform.settings import Settings
from app.routing import editing, experiments, ramps, rounds, seats, service, stops
from app.routing.arms import WORD
from app.routing.asof import NothingThen
from app.routing.decide import Decider
from app.routing.operations import BATCH_OPERATION, ROUTE_OPERATION
from app.routing.ramping import Status
from app.routing.rules import (
    BadRouteRequest,
    HoldoutUnanswered,
    LayerTaken,
    NobodyAnswers,
    NoInstance,
    NotSeated,
    OwnVersion,
    TableStale,
    WrongRampStatus,
)
from app.routing.schemas import (
    ExperimentsOut,
    PlanIn,
    PlanOut,
    RampOut,
    RampReasonIn,
    RoundOut,
    SeatOut,
)
from app.routing.spec import Plan
from app.routing.tables import PlanRevision

router = make_router("/v1/decision-points/{key}", tag="routing")

Name = Annotated[str, Path(pattern=NAME)]
Part = Annotated[str, Path(pattern=WORD)]
Reader = Annotated[Actor, allow("routing:read")]
Stopper = Annotated[Actor, allow("routing:stop")]


@router.get(
    "/plan", response_model=PlanOut, responses=responses(NotFound, NothingThen, InTheFuture)
)
async def get_plan(
    key: Name, actor: Reader, session: Session, response: Response, at: At = None
) -> dict[str, Any]:
    """Return the routing plan, whose ETag guards edits; or the one in force `at` a moment."""
    found = await service.plan_of(session, key, at=at, by=actor)
    if at is None:
        etag(response, found.revision)
    return await stops.plan_shown(session, found, at=at)


@router.put(
    "/plan",
    response_model=PlanOut,
    responses=editing_responses(
        NotFound, NotSeated, NoInstance, HoldoutUnanswered, LayerTaken, identity.DecisionDenied
    )
    | gates.ACCEPTED,
)
async def set_plan(
    key: Name,
    body: PlanIn,
    expected: IfMatch,
    actor: Annotated[Actor, allow("routing:plan")],
    session: Session,
    response: Response,
    reason: Annotated[str, Query(max_length=2000)] = "",
) -> Any:
    """Replace the routing plan; every process answers by it within seconds."""
    plan = Plan.model_validate(body.model_dump())
    row = await editing.edit_plan(session, key, plan, expected=expected, reason=reason, by=actor)
    if not isinstance(row, PlanRevision):
        return gates.accepted(row)
    etag(response, row.revision)
    return await stops.plan_shown(session, row)


@router.get("/seats", response_model=Page[SeatOut], responses=responses(NotFound, BadCursor))
async def list_seats(
    key: Name, actor: Reader, session: Session, cursor: Cursor = None, limit: Limit = 50
) -> Rows[dict[str, Any]]:
    """List who was champion or challenger here, and when: newest first."""
    point = await catalog.point_by_key(session, key, by=actor)
    found = await seats.seats_of(session, actor.tenant_id, point.id, cursor=cursor, limit=limit)
    return Rows(await stops.seats_shown(session, found.items), found.next_cursor)


@router.get("/experiments", response_model=ExperimentsOut, responses=responses(NotFound))
async def get_experiments(key: Name, actor: Reader, session: Snapshot) -> dict[str, Any]:
    """Say what the plan's experiments have shown since they began, and what follows from it.

    Gains are covered at every look, however often one looks. The evidence advises; who becomes
    champion is decided by an activation.
    """
    return await experiments.experiments_of(session, key, by=actor)


@router.get("/rounds", response_model=Page[RoundOut], responses=responses(NotFound, BadCursor))
async def list_rounds(
    key: Name, actor: Reader, session: Session, cursor: Cursor = None, limit: Limit = 50
) -> Rows[dict[str, Any]]:
    """List what bandits and ramps have come to: weights and their evidence, newest first."""
    return await rounds.rounds_of(session, key, cursor=cursor, limit=limit, by=actor)


@router.get("/ramps/{segment}", response_model=RampOut, responses=responses(NotFound))
async def get_ramp(key: Name, segment: Part, actor: Reader, session: Session) -> dict[str, Any]:
    """Say where a segment's ramp stands, and what it waits for."""
    return await ramps.ramp_of(session, key, segment, by=actor)


@router.post(
    "/ramps/{segment}:hold",
    response_model=RampOut,
    responses=responses(NotFound, WrongRampStatus, identity.DecisionDenied),
)
async def hold_ramp(
    key: Name, segment: Part, body: RampReasonIn, actor: Stopper, session: Session
) -> dict[str, Any]:
    """Keep a ramp at its step until somebody resumes it."""
    return await ramps.bring(session, key, segment, Status.HELD, reason=body.reason, by=actor)


@router.post(
    "/ramps/{segment}:roll-back",
    response_model=RampOut,
    responses=responses(NotFound, WrongRampStatus, identity.DecisionDenied),
)
async def roll_ramp_back(
    key: Name, segment: Part, body: RampReasonIn, actor: Stopper, session: Session
) -> dict[str, Any]:
    """Take all units from the version that a ramp brings in: the champion has them again."""
    return await ramps.bring(
        session, key, segment, Status.ROLLED_BACK, reason=body.reason, by=actor
    )


@router.post(
    "/ramps/{segment}:resume",
    response_model=RampOut,
    responses=responses(NotFound, WrongRampStatus, OwnVersion, identity.DecisionDenied),
)
async def resume_ramp(
    key: Name,
    segment: Part,
    body: RampReasonIn,
    actor: Annotated[Actor, allow("routing:plan")],
    session: Session,
) -> dict[str, Any]:
    """Let a ramp go on where it was held; where it was rolled back, from its first step."""
    return await ramps.bring(session, key, segment, Status.RUNNING, reason=body.reason, by=actor)


def hot_routes(decider: Decider, settings: Settings, authenticate: Authenticator) -> list[HotRoute]:
    """Return the raw endpoints of decisions."""
    problems = hot_responses(NotFound, BadRouteRequest, NobodyAnswers, TableStale)

    def hot(name: str, suffix: str, operation: dict[str, Any], limit: int, **how: Any) -> HotRoute:
        return HotRoute(
            name=name,
            prefix="/v1/decision-points/",
            suffix=suffix,
            permission="routing:decide",
            authenticate=authenticate,
            body_limit=limit,
            body_seconds=settings.body_seconds,
            deadline=None,
            operation={**operation, "responses": {**operation["responses"], **problems}},
            **how,
        )

    largest = settings.max_body_bytes
    return [
        hot("routing:route", "/route", ROUTE_OPERATION, 65_536, now=decider.route),
        hot(
            "routing:route_many", "/route:batch", BATCH_OPERATION, largest,
            endpoint=decider.route_many,
        ),
    ]  # fmt: skip
