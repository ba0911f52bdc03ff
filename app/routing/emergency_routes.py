"""Emergency: what answers in one, the stop, the way back."""

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
    Cursor,
    IfMatchToReplace,
    Limit,
    Session,
    allow,
    etag,
    responses,
)
from app.platform.http import router as make_router
from app.platform.http.documented import editing
from app.routing import fallback, halting
from app.routing.emergency_schemas import (
    FallbackIn,
    FallbackOut,
    ResumedOut,
    ResumeIn,
    StopIn,
    StopOut,
    StoppedOut,
)
from app.routing.rules import (
    CauseStands,
    HoldoutUnanswered,
    NotAFallback,
    NotAsActivated,
    NotStopped,
    OwnVersion,
)
from app.routing.tables import Fallback

emergency = make_router("/v1/decision-points/{key}", tag="routing")

Name = Annotated[str, Path(pattern=NAME)]
Reader = Annotated[Actor, allow("routing:read")]
Stopper = Annotated[Actor, allow("routing:stop")]


@emergency.get("/fallback", response_model=FallbackOut, responses=responses(NotFound))
async def get_fallback(
    key: Name, actor: Reader, session: Session, response: Response
) -> dict[str, Any]:
    """Return what answers while the point is stopped, as declared and as it stands."""
    found = await fallback.shown(session, key, by=actor)
    etag(response, found["revision"])
    return found


@emergency.put(
    "/fallback",
    response_model=FallbackOut,
    responses=editing(
        NotFound,
        NotAFallback,
        NotAsActivated,
        HoldoutUnanswered,
        catalog.BadEndpoint,
        identity.DecisionDenied,
    )
    | gates.ACCEPTED,
)
async def set_fallback(
    key: Name,
    body: FallbackIn,
    expected: IfMatchToReplace,
    actor: Annotated[Actor, allow("routing:plan")],
    session: Session,
    response: Response,
    reason: Annotated[str, Query(max_length=2000)] = "",
) -> Any:
    """Declare what answers while the point is stopped: at once, if it is.

    A version is one that was activated here, and answers as its activation has it for as long as it
    is fit. Where the plan has a holdout, which it answers without a stop, others agree first.
    """
    if body.endpoint is not None:
        catalog.require_target(body.endpoint)
    row = await fallback.edit_fallback(
        session,
        key,
        kind=body.kind,
        model=body.model,
        number=body.version,
        endpoint=body.endpoint,
        parameters=body.parameters,
        constant={"value": body.constant} if "constant" in body.model_fields_set else {},
        expected=expected,
        reason=reason,
        by=actor,
    )
    if not isinstance(row, Fallback):
        return gates.accepted(row)
    etag(response, row.revision)
    point = await catalog.point_by_key(session, key, by=actor)
    return await fallback.show(session, point, row)


@emergency.get(
    "/stops",
    response_model=Page[StopOut],
    responses=responses(NotFound, BadCursor, InTheFuture),
)
async def list_stops(
    key: Name,
    actor: Reader,
    session: Session,
    at: At = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[dict[str, Any]]:
    """List what was stopped here, by whom and until when, newest first; or what was `at` a moment.

    Decisions say the generation they were made under: those from a stop's `generation` on, up to
    and not with its `resumed_generation`, were made while it held.
    """
    return await halting.list_stops(session, key, at=at, cursor=cursor, limit=limit, by=actor)


stopping = make_router("/v1/decision-points", tag="routing")


@stopping.post(
    "/{key}:stop",
    response_model=StoppedOut,
    responses=responses(NotFound, identity.DecisionDenied),
)
async def stop_point(key: Name, body: StopIn, actor: Stopper, session: Session) -> dict[str, Any]:
    """Let the fallback answer at once, everywhere within five seconds.

    In place of everything, or of one version. Pressed twice it is one stop.
    """
    return await halting.stop_point(
        session, key, model=body.model, number=body.version, reason=body.reason, by=actor
    )


@stopping.post(
    "/{key}:resume",
    response_model=ResumedOut,
    responses=responses(NotFound, NotStopped, CauseStands, OwnVersion, identity.DecisionDenied),
)
async def resume_point(
    key: Name, body: ResumeIn, actor: Stopper, session: Session
) -> dict[str, Any]:
    """Let the plan answer again; never by who made what would."""
    return await halting.resume_point(
        session,
        key,
        stop_id=body.stop_id,
        accept_cause=body.accept_cause,
        reason=body.reason,
        by=actor,
    )
