from typing import Annotated, Any

from fastapi import Header, Path, Request, Response

from app.activation import desired, integration, removal, reports, targets
from app.activation.deployment_schemas import (
    DeploymentOut,
    DesiredOut,
    IntegrationOut,
    ReportIn,
    ReportOut,
    TargetIn,
    TargetOut,
    TermsIn,
    TermsOut,
)
from app.activation.rules import OwnVersion, TooManyTargets
from app.activation.tables import Report, Target, Terms
from app.identity import DecisionDenied
from app.kit.actor import Actor
from app.kit.names import NAME
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.platform.http import (
    Cursor,
    IfMatch,
    IfMatchToReplace,
    Limit,
    Session,
    allow,
    etag,
    responses,
)
from app.platform.http import router as make_router
from app.platform.http.documented import editing
from app.platform.outbound import Outbound, OutboundRefused

router = make_router("/v1/decision-points/{key}", tag="activation")

Key = Annotated[str, Path(pattern=NAME)]
Reader = Annotated[Actor, allow("catalog:read")]
Operator = Annotated[Actor, allow("catalog:points")]
_UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "Still that generation."}}


@router.put(
    "/targets/{target}",
    response_model=TargetOut,
    responses=editing(NotFound, OutboundRefused, TooManyTargets, DecisionDenied),
)
async def put_target(
    key: Key,
    target: Key,
    body: TargetIn,
    expected: IfMatchToReplace,
    request: Request,
    actor: Operator,
    session: Session,
    response: Response,
) -> Target:
    """Name a place that the decision point's versions are deployed to, or change it."""
    if body.endpoint is not None:
        outbound: Outbound = request.app.state.outbound
        outbound.check(body.endpoint)
    found = await targets.put_target(
        session, key, target, expected=expected, fields=dict(body), by=actor
    )
    etag(response, found.revision)
    return found


@router.get("/targets", response_model=Page[TargetOut], responses=responses(NotFound, BadCursor))
async def list_targets(
    key: Key, actor: Reader, session: Session, cursor: Cursor = None, limit: Limit = 50
) -> Rows[Target]:
    """List the decision point's deployment targets by name."""
    return await targets.list_targets(session, key, cursor=cursor, limit=limit, by=actor)


@router.get("/targets/{target}", response_model=TargetOut, responses=responses(NotFound))
async def get_target(
    key: Key, target: Key, actor: Reader, session: Session, response: Response
) -> Target:
    """Return a target; its ETag guards edits."""
    found = await targets.read_target(session, key, target, by=actor)
    etag(response, found.revision)
    return found


@router.delete(
    "/targets/{target}",
    status_code=204,
    responses=editing(NotFound, OwnVersion, DecisionDenied),
)
async def remove_target(
    key: Key, target: Key, expected: IfMatch, actor: Operator, session: Session
) -> None:
    """Deploy to a target no more; its open incidents end with it, its reports are kept."""
    await removal.remove(session, key, target, expected=expected, by=actor)


@router.get(
    "/targets/{target}/desired",
    response_model=DesiredOut,
    responses=responses(NotFound) | _UNCHANGED,
)
async def get_desired(
    key: Key,
    target: Key,
    actor: Reader,
    session: Session,
    response: Response,
    known: Annotated[
        str | None, Header(alias="if-none-match", description="The ETag of the last answer.")
    ] = None,
) -> Any:
    """Return what a target should run, for its deployer to poll: 304 while nothing changes."""
    found = await desired.desired(session, key, target, by=actor)
    tag = f'"{found["generation"]}"'
    if known is not None and tag in known:
        return Response(status_code=304, headers={"ETag": tag})
    response.headers["ETag"] = tag
    return found


@router.post(
    "/targets/{target}/reports",
    status_code=201,
    response_model=ReportOut,
    responses=responses(NotFound, DecisionDenied),
)
async def report_deployment(
    key: Key,
    target: Key,
    body: ReportIn,
    actor: Annotated[Actor, allow("deployment:report")],
    session: Session,
) -> Report:
    """Report what a target does with a version, under the digest that it really runs.

    A digest that was not approved raises an incident, and so does a version that is served and has
    never been approved for this decision point: no seat, no declared fallback, no open activation.
    """
    return await reports.report(
        session,
        key,
        target,
        model=body.model,
        number=body.version,
        digest=body.digest,
        state=body.state,
        detail=body.detail,
        by=actor,
    )


@router.get(
    "/targets/{target}/reports",
    response_model=Page[ReportOut],
    responses=responses(NotFound, BadCursor),
)
async def list_reports(
    key: Key,
    target: Key,
    actor: Reader,
    session: Session,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[Report]:
    """List what was reported of a target, newest first."""
    return await reports.list_reports(session, key, target, cursor=cursor, limit=limit, by=actor)


@router.get("/deployment", response_model=DeploymentOut, responses=responses(NotFound))
async def get_deployment(key: Key, actor: Reader, session: Session) -> dict[str, Any]:
    """Return what is desired beside what is reported, by target."""
    return await desired.overview(session, key, by=actor)


@router.put(
    "/deployment-terms",
    response_model=TermsOut,
    responses=editing(NotFound, DecisionDenied),
)
async def set_terms(
    key: Key,
    body: TermsIn,
    expected: IfMatchToReplace,
    actor: Operator,
    session: Session,
    response: Response,
) -> Terms:
    """Say what the decision point's deployments are held to."""
    found = await targets.set_terms(session, key, expected=expected, fields=dict(body), by=actor)
    await reports.look_again(session, key, by=actor)
    etag(response, found.revision)
    return found


@router.get("/deployment-terms", response_model=TermsOut, responses=responses(NotFound))
async def get_terms(key: Key, actor: Reader, session: Session, response: Response) -> Terms:
    """Return what the decision point's deployments are held to; revision 0 are the defaults."""
    found = await targets.read_terms(session, key, by=actor)
    etag(response, found.revision)
    return found


@router.get("/integration", response_model=IntegrationOut, responses=responses(NotFound))
async def get_integration(
    key: Key, actor: Annotated[Actor, allow("telemetry:read")], session: Session
) -> dict[str, Any]:
    """Return what traffic proves of the application: routes asked for, fitting events returned."""
    return await integration.overview(session, key, by=actor)
