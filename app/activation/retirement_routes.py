"""How versions leave: a challenger its seat, a version production for good."""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Request
from pydantic import BaseModel, ConfigDict, Field

from app import identity, release, routing
from app.activation import retirement, unseating
from app.activation.dependants import Weight
from app.activation.rules import StandsInTheWay
from app.catalog import Stage
from app.kit.actor import Actor
from app.kit.input import Input
from app.kit.names import MOST, NAME
from app.kit.refusal import NotFound
from app.platform.http import Session, allow, responses
from app.platform.http import router as make_router

versions = make_router("/v1/models", tag="retirement")
seats = make_router("/v1/decision-points/{key}/seats", tag="retirement")
routers = (versions, seats)

Name = Annotated[str, Path(pattern=NAME)]
Number = Annotated[int, Path(ge=1, lt=MOST)]
Reason = Annotated[str, Field(min_length=1, max_length=2000)]


class RetireIn(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "Replaced by version 2 for a year."}]}
    )

    reason: Reason
    accept_dependants: bool = Field(
        False, description="Though ensembles or decision points downstream are built on it."
    )
    validate_only: bool = Field(False, description="Retire nothing; say what would be.")


class UnseatIn(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "The experiment is over."}]}
    )

    reason: Reason


class DependantOut(BaseModel):
    kind: str = Field(
        description="champion, challenger, arm, shadow, fallback, standing_in, kept_warm,"
        " alias, target, ensemble, instance, downstream or draining."
    )
    weight: Weight
    detail: str
    mend: str = Field(description="The call that ends the need.")
    decision_point: str | None


class DependantsOut(BaseModel):
    dependants: list[DependantOut]


class RetiredOut(BaseModel):
    model: str
    number: int
    stage: Stage
    validate_only: bool
    warnings: list[DependantOut] = Field(description="What was accepted, and what is worth a look.")
    cases: list[UUID] = Field(description="Open cases that end, or would end, with it.")


def _drained_after(request: Request) -> timedelta:
    return timedelta(seconds=request.app.state.settings.table_max_age_seconds)


@versions.get(
    "/{name}/versions/{number}/dependants",
    response_model=DependantsOut,
    responses=responses(NotFound),
)
async def list_dependants(
    name: Name,
    number: Number,
    actor: Annotated[Actor, allow("catalog:read")],
    session: Session,
    request: Request,
) -> dict[str, Any]:
    """List what needs a version: what a retirement would be refused for comes first."""
    found = await retirement.list_dependants(
        session, name, number, drained_after=_drained_after(request), by=actor
    )
    return {"dependants": found}


@versions.post(
    "/{name}/versions/{number}:retire",
    response_model=RetiredOut,
    responses=responses(NotFound, StandsInTheWay, release.IllegalMove, identity.DecisionDenied),
)
async def retire_version(
    name: Name,
    number: Number,
    body: RetireIn,
    actor: Annotated[Actor, allow("catalog:retire")],
    session: Session,
    request: Request,
) -> dict[str, Any]:
    """Retire a version for good; what is known of it stays, nothing new is opened on it.

    It must have been drained: no seat, no plan, no fallback, no alias, no target that serves it,
    and no change of routing where it was known within the age that a process's table may have.
    """
    return await retirement.retire(
        session,
        name,
        number,
        reason=body.reason,
        accept_dependants=body.accept_dependants,
        validate_only=body.validate_only,
        drained_after=_drained_after(request),
        by=actor,
    )


@seats.post(
    "/{seat_id}:unseat",
    response_model=routing.SeatOut,
    responses=responses(NotFound, routing.SeatTaken, routing.SeatVacant, identity.DecisionDenied),
)
async def unseat(
    key: Name,
    seat_id: UUID,
    body: UnseatIn,
    actor: Annotated[Actor, allow("activation:operate")],
    session: Session,
) -> dict[str, Any]:
    """Take a seat back: a challenger's once no arm names it, a champion's once all is stopped."""
    seat = await unseating.unseat(session, key, seat_id, reason=body.reason, by=actor)
    return await routing.seat_shown(session, seat)
