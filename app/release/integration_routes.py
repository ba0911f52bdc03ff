from typing import Annotated
from uuid import UUID

from fastapi import Path, Request, Response

from app.gates import CaseClosed
from app.identity import DecisionDenied
from app.kit.actor import Actor, OutOfScope
from app.kit.names import NAME
from app.kit.refusal import NotFound
from app.platform.http import IfMatchToReplace, Session, allow, etag, responses
from app.platform.http import router as make_router
from app.platform.http.documented import editing
from app.platform.outbound import OutboundRefused
from app.release import integration_runs as service
from app.release import point_cases
from app.release.integration_runs import NoAddress, NoCases
from app.release.integration_schemas import (
    EndpointTestIn,
    IntegrationIn,
    PointCasesIn,
    PointCasesOut,
)
from app.release.operation_routes import FINISHED, OperationOut, Wait, located, waited
from app.release.operation_rules import RunUnderWay
from app.release.tables import Operation, PointCases

runs = make_router("/v1/releases/{case_id}/integration-runs", tag="release")
tests = make_router("/v1/activations/{case_id}/integration-runs", tag="activation")
kept = make_router("/v1/decision-points/{key}/contract-cases", tag="release")

Name = Annotated[str, Path(pattern=NAME)]


@runs.post(
    "",
    status_code=202,
    response_model=OperationOut,
    responses=FINISHED
    | responses(
        NotFound, CaseClosed, NoCases, RunUnderWay, OutboundRefused, DecisionDenied, OutOfScope
    ),
)
async def run_integration(
    case_id: UUID,
    body: IntegrationIn,
    request: Request,
    actor: Annotated[Actor, allow("gates:evidence")],
    session: Session,
    response: Response,
    wait: Wait = None,
) -> Operation:
    """Have a worker call the deployed endpoint as the contract cases say, then under load.

    What it measures is evidence `integration` of the step, which outranks what is submitted.
    """
    service.require_endpoint(request.app.state.outbound, body.endpoint)
    asked = body.model_dump(mode="json")
    operation = await service.request_run(session, case_id, asked=asked, by=actor)
    located(response, operation)
    if wait:
        request.state.afterwards = waited(request, operation, seconds=wait, by=actor)
    return operation


@tests.post(
    "",
    status_code=202,
    response_model=OperationOut,
    responses=FINISHED
    | responses(
        NotFound, CaseClosed, NoAddress, NoCases, RunUnderWay, OutboundRefused, DecisionDenied,
        OutOfScope,
    ),
)  # fmt: skip
async def check_endpoint(
    case_id: UUID,
    body: EndpointTestIn,
    request: Request,
    actor: Annotated[Actor, allow("gates:evidence")],
    session: Session,
    response: Response,
    wait: Wait = None,
) -> Operation:
    """Have a worker call the activation's own endpoint, or an instance's, by the point's cases.

    For where another one was tested in the release, on a staging host say. It is evidence
    `integration` of model deployment: judge that step after it. Of the Open Inference Protocol the
    activation's endpoint is the base under which `/v2` is.
    """
    asked = body.model_dump(mode="json", exclude={"instance"})
    outbound = request.app.state.outbound
    operation = await service.request_test(
        session, case_id, outbound, asked=asked, instance=body.instance, by=actor
    )
    located(response, operation)
    if wait:
        request.state.afterwards = waited(request, operation, seconds=wait, by=actor)
    return operation


@kept.put("", response_model=PointCasesOut, responses=editing(NotFound, DecisionDenied, OutOfScope))
async def keep_contract_cases(
    key: Name,
    body: PointCasesIn,
    expected: IfMatchToReplace,
    actor: Annotated[Actor, allow("catalog:points")],
    session: Session,
    response: Response,
) -> PointCases:
    """Keep the cases that each release for the decision point is tried with."""
    cases = body.model_dump(mode="json")["cases"]
    found = await point_cases.keep(session, key, expected=expected, cases=cases, by=actor)
    etag(response, found.revision)
    return found


@kept.get("", response_model=PointCasesOut, responses=responses(NotFound, OutOfScope))
async def get_contract_cases(
    key: Name,
    actor: Annotated[Actor, allow("catalog:read")],
    session: Session,
    response: Response,
) -> PointCases:
    """Return the contract cases that the decision point keeps."""
    found = await point_cases.cases_of(session, key, by=actor)
    etag(response, found.revision)
    return found
