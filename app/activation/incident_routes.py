from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from app.activation import incidents
from app.activation.deployment_schemas import AcknowledgeIn, IncidentOut, ResolveIn
from app.activation.rules import IncidentClosed, OwnVersion, StillReported
from app.identity import DecisionDenied
from app.kit.actor import Actor
from app.kit.names import NAME
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.platform.http import Cursor, Limit, Session, allow, responses
from app.platform.http import router as make_router

router = make_router("/v1/incidents", tag="activation")

Operator = Annotated[Actor, allow("activation:operate")]


@router.get("", response_model=Page[IncidentOut], responses=responses(NotFound, BadCursor))
async def list_incidents(
    actor: Annotated[Actor, allow("telemetry:read")],
    session: Session,
    still_open: Annotated[
        bool | None, Query(alias="open", description="true: unresolved ones only.")
    ] = None,
    decision_point: Annotated[str | None, Query(pattern=NAME)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[dict[str, Any]]:
    """List what went wrong at deployment targets, newest first."""
    found = await incidents.list_incidents(
        session, still_open=still_open, point_key=decision_point,
        cursor=cursor, limit=limit, by=actor,
    )  # fmt: skip
    shown = await incidents.shown(session, actor.tenant_id, list(found.items))
    return Rows(shown, found.next_cursor)


@router.post(
    "/{incident_id}:acknowledge",
    response_model=IncidentOut,
    responses=responses(NotFound, IncidentClosed, DecisionDenied),
)
async def acknowledge_incident(
    incident_id: UUID, body: AcknowledgeIn, actor: Operator, session: Session
) -> dict[str, Any]:
    """Say that one looks at an incident."""
    row = await incidents.acknowledge(session, incident_id, note=body.note, by=actor)
    return (await incidents.shown(session, actor.tenant_id, [row]))[0]


@router.post(
    "/{incident_id}:resolve",
    response_model=IncidentOut,
    responses=responses(NotFound, IncidentClosed, StillReported, OwnVersion, DecisionDenied),
)
async def resolve_incident(
    incident_id: UUID, body: ResolveIn, actor: Operator, session: Session
) -> dict[str, Any]:
    """End an incident by hand and say why; the last that blocked a point unblocks it.

    Where the newest report still says what it was opened for, only with `accept_cause`.
    """
    row = await incidents.resolve(
        session, incident_id, reason=body.reason, accept_cause=body.accept_cause, by=actor
    )
    return (await incidents.shown(session, actor.tenant_id, [row]))[0]
