from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from app.kit.actor import Actor
from app.kit.input import Input
from app.kit.names import MOST, NAME
from app.kit.refusal import NotFound
from app.platform.http import Session, allow, responses
from app.platform.http import router as make_router
from app.release import endpoints
from app.release.compatibility import Kind

contracts = make_router("/v1/decision-points", tag="release")


class CandidateIn(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": "price-direction", "version": 1}]},
    )

    model: str = Field(pattern=NAME)
    version: int = Field(ge=1, lt=MOST)


class MismatchOut(BaseModel):
    side: str = Field(
        description="`input`: what the point sends; `output`: what the version answers; `terms`."
    )
    path: str = Field(description="Where in that document.", examples=["$.customer.age"])
    kind: Kind = Field(description="`undecided`: nobody can say that it fits.")
    problem: str
    wanted: Any
    given: Any


class FitOut(BaseModel):
    decision_point: str
    model: str
    version: int
    compatible: bool
    undecided: int = Field(description="So many of the mismatches could not be decided.")
    mismatches: list[MismatchOut]


@contracts.post("/{key}:check-contract", response_model=FitOut, responses=responses(NotFound))
async def check_contract(
    key: Annotated[str, Path(pattern=NAME)],
    body: CandidateIn,
    actor: Annotated[Actor, allow("catalog:read")],
    session: Session,
) -> dict[str, Any]:
    """Say whether a version would fit a decision point; nothing is opened or recorded."""
    return await endpoints.check_contract(
        session, key, model=body.model, number=body.version, by=actor
    )
