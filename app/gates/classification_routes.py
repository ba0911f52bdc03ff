"""The risk tier of a model, and its revision."""

from typing import Annotated, Any

from fastapi import Path, Response

from app.catalog import Model, ModelOut
from app.gates import classification
from app.gates.accepting import ACCEPTED, accepted
from app.gates.governance_schemas import TierIn
from app.gates.tables import Change
from app.identity import DecisionDenied
from app.kit.actor import Actor
from app.kit.names import NAME
from app.kit.refusal import NotFound
from app.platform.http import IfMatch, Session, allow, etag
from app.platform.http import router as make_router
from app.platform.http.documented import editing

router = make_router("/v1/models", tag="catalog")


@router.put(
    "/{name}/risk-tier",
    response_model=ModelOut,
    responses=editing(NotFound, DecisionDenied) | ACCEPTED,
)
async def classify_model(
    name: Annotated[str, Path(pattern=NAME)],
    body: TierIn,
    expected: IfMatch,
    actor: Annotated[Actor, allow("gates:approve")],
    session: Session,
    response: Response,
) -> Any:
    """Put a model into another risk tier: a graver one at once, a lighter one when others agree.

    What was approved for the old tier is void for the new one.
    """
    found: Model | Change = await classification.classify(
        session, name, body.risk_tier, expected=expected, reason=body.reason, by=actor
    )
    if isinstance(found, Change):
        return accepted(found)
    etag(response, found.revision)
    return found
