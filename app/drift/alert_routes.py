from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from app.drift import handling, silences
from app.drift.alert_rules import (
    AlertKind,
    AlertOver,
    AlreadyAcknowledged,
    Severity,
    SilenceOver,
    SilencesEverything,
    State,
)
from app.drift.alert_schemas import (
    AcknowledgeAlertIn,
    AlertDetailOut,
    AlertRowOut,
    ResolveAlertIn,
    SilenceIn,
    SilenceOut,
)
from app.identity import DecisionDenied
from app.kit.actor import Actor
from app.kit.names import NAME
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.platform.http import Cursor, Limit, Session, Snapshot, allow, responses
from app.platform.http import router as make_router

alerts = make_router("/v1/alerts", tag="alerts")
quiet = make_router("/v1/silences", tag="alerts")

Reader = Annotated[Actor, allow("telemetry:read")]
Keeper = Annotated[Actor, allow("monitor:write")]


@alerts.get("", response_model=Page[AlertRowOut], responses=responses(NotFound, BadCursor))
async def list_all_alerts(
    actor: Reader,
    session: Session,
    state: State | None = None,
    severity: Severity | None = None,
    kind: AlertKind | None = None,
    decision_point: Annotated[str | None, Query(pattern=NAME)] = None,
    model: Annotated[str | None, Query(pattern=NAME)] = None,
    silenced: Annotated[bool | None, Query(description="true: those that are not told.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[dict[str, Any]]:
    """List alerts of all decision points, each by its newest episode, newest first."""
    return await handling.list_alerts(
        session, state=state, severity=severity, kind=kind, point_key=decision_point,
        model=model, silenced=silenced, cursor=cursor, limit=limit, by=actor,
    )  # fmt: skip


@alerts.get("/{alert_id}", response_model=AlertDetailOut, responses=responses(NotFound))
async def get_alert(alert_id: UUID, actor: Reader, session: Snapshot) -> dict[str, Any]:
    """Show an alert with all its episodes, the windows that made it fire, and what follows."""
    return await handling.alert_of(session, alert_id, by=actor)


@alerts.post(
    "/{alert_id}:acknowledge",
    response_model=AlertDetailOut,
    responses=responses(NotFound, AlertOver, AlreadyAcknowledged, DecisionDenied),
)
async def acknowledge_alert(
    alert_id: UUID, body: AcknowledgeAlertIn, actor: Keeper, session: Session
) -> dict[str, Any]:
    """Say that one looks at an alert; of two who say so at once, one does."""
    return await handling.acknowledge(session, alert_id, comment=body.comment, by=actor)


@alerts.post(
    "/{alert_id}:resolve",
    response_model=AlertDetailOut,
    responses=responses(NotFound, AlertOver, DecisionDenied),
)
async def resolve_alert(
    alert_id: UUID, body: ResolveAlertIn, actor: Keeper, session: Session
) -> dict[str, Any]:
    """End an alert by hand and say why; a later window still beyond makes it fire anew."""
    return await handling.resolve(session, alert_id, reason=body.reason, by=actor)


@quiet.post(
    "",
    status_code=201,
    response_model=SilenceOut,
    responses=responses(NotFound, SilencesEverything, DecisionDenied),
)
async def create_silence(body: SilenceIn, actor: Keeper, session: Session) -> dict[str, Any]:
    """Keep what matches from being told for a while; it is recorded, shown and gated all the same.

    What is left out matches anything; one of them at least is named.
    """
    row = await silences.silence(
        session, point_key=body.decision_point, model=body.model, number=body.version,
        kind=body.kind, subject=body.subject, reason=body.reason, hours=body.hours, by=actor,
    )  # fmt: skip
    return (await silences.shown(session, actor.tenant_id, [row]))[0]


@quiet.get("", response_model=Page[SilenceOut], responses=responses(BadCursor))
async def list_silences(
    actor: Reader,
    session: Session,
    active: Annotated[bool | None, Query(description="true: those in force.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[dict[str, Any]]:
    """List silences, newest first."""
    found = await silences.list_silences(
        session, active=active, cursor=cursor, limit=limit, by=actor
    )
    shown = await silences.shown(session, actor.tenant_id, list(found.items))
    return Rows(shown, found.next_cursor)


@quiet.post(
    "/{silence_id}:end",
    response_model=SilenceOut,
    responses=responses(NotFound, SilenceOver, DecisionDenied),
)
async def end_silence(silence_id: UUID, actor: Keeper, session: Session) -> dict[str, Any]:
    """End a silence before its time; what still fires is told now."""
    row = await silences.end_silence(session, silence_id, by=actor)
    return (await silences.shown(session, actor.tenant_id, [row]))[0]
