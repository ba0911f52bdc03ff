from typing import Annotated

from fastapi import Request, Response
from pydantic import ConfigDict, Field

from app.catalog import RiskTier
from app.kit.actor import Actor, OutOfScope
from app.kit.input import Input
from app.kit.names import MOST, NAME
from app.kit.refusal import NotFound
from app.platform.http import Session, allow, responses
from app.platform.http import router as make_router
from app.platform.outbound import OutboundRefused
from app.release import release_requests as service
from app.release.integration_runs import require_endpoint
from app.release.integration_schemas import IntegrationIn
from app.release.operation_routes import FINISHED, OperationOut, Wait, located, waited
from app.release.release_requests import KpisNotAgreed, TierDiffers
from app.release.tables import Operation
from app.release.validators import UnfitValidator

router = make_router("/v1/releases", tag="release")

Named = Annotated[str, Field(pattern=NAME)]


class ReleaseRunIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "price-direction",
                    "version": 1,
                    "decision_points": ["nsw-price-direction"],
                    "risk_tier": "medium",
                }
            ]
        }
    )

    model: str = Field(pattern=NAME)
    version: int = Field(ge=1, lt=MOST)
    decision_points: list[Named] = Field(
        min_length=1, max_length=20, json_schema_extra={"uniqueItems": True}
    )
    kpis: list[Named] = Field(
        default_factory=list, max_length=50, description="Agreed at each of the decision points."
    )
    validator: str | None = Field(
        None, pattern=NAME, description="Who is asked where the version is not validated yet."
    )
    risk_tier: RiskTier | None = Field(None, description="Refused if it is not the model's.")
    integration: IntegrationIn | None = Field(
        None, description="Has the endpoint tested before its step is judged."
    )


@router.post(
    ":run",
    status_code=202,
    response_model=OperationOut,
    responses=FINISHED
    | responses(NotFound, KpisNotAgreed, TierDiffers, UnfitValidator, OutboundRefused, OutOfScope),
)
async def run_release(
    body: ReleaseRunIn,
    request: Request,
    actor: Annotated[Actor, allow("gates:ask")],
    session: Session,
    response: Response,
    wait: Wait = None,
) -> Operation:
    """Open the release at each decision point, or go on with it, and judge what policy requires.

    It acts as the caller, with what his key may do at the moment of each act. It ends `succeeded`
    (released), `waiting` (`result.missing`: what, by which call, by whom) or `failed` (a way out);
    asked again, it goes on where it waits.
    """
    integration = None
    if body.integration is not None:
        require_endpoint(request.app.state.outbound, body.integration.endpoint)
        integration = body.integration.model_dump(mode="json")
    operation = await service.request_release(
        session,
        model=body.model,
        number=body.version,
        points=list(dict.fromkeys(body.decision_points)),
        kpis=body.kpis,
        validator=body.validator,
        risk_tier=body.risk_tier,
        integration=integration,
        by=actor,
    )
    located(response, operation)
    if wait:
        request.state.afterwards = waited(request, operation, seconds=wait, by=actor)
    return operation
