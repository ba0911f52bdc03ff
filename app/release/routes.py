from typing import Annotated, Literal
from uuid import UUID

from fastapi import Path
from pydantic import ConfigDict, Field

from app import gates
from app.gates import WayOut
from app.identity import DecisionDenied
from app.kit.actor import Actor, OutOfScope
from app.kit.input import Input
from app.kit.names import MOST, NAME
from app.kit.refusal import AlreadyExists, NotFound
from app.platform.http import Session, allow, responses
from app.platform.http import router as make_router
from app.release import service
from app.release.lifecycle import IllegalMove
from app.release.validators import UnfitValidator

validations = make_router("/v1/validations", tag="release")
releases = make_router("/v1/releases", tag="release")

StepName = Annotated[str, Path(pattern=r"^[a-z_]{1,64}$")]


class ValidationIn(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": "price-direction", "version": 1}]},
    )

    model: str = Field(pattern=NAME)
    version: int = Field(ge=1, lt=MOST)


class ReleaseIn(ValidationIn):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "price-direction",
                    "version": 1,
                    "decision_point": "nsw-price-direction",
                }
            ]
        },
    )

    decision_point: str = Field(pattern=NAME)
    validator: str | None = Field(
        None, pattern=NAME, description="Who is asked to validate it: he had no part in making it."
    )


class FailureIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"path": "mathematical_drift", "reason": "Precision fell below what was agreed."}
            ]
        },
    )

    path: Literal["data_drift", "business_drift", "mathematical_drift"]
    reason: str = Field(min_length=1, max_length=5000)


@validations.post(
    "",
    status_code=201,
    response_model=gates.CaseOut,
    responses=responses(NotFound, IllegalMove, AlreadyExists),
)
async def open_validation(
    body: ValidationIn, actor: Annotated[Actor, allow("release:open")], session: Session
) -> gates.Case:
    """Ask for the business and technical validation of a version by an independent validator."""
    return await service.open_validation(session, body.model, body.version, by=actor)


@validations.post(
    "/{case_id}/steps/{step}:judge",
    response_model=gates.VerdictOut,
    responses=responses(NotFound, gates.NotAStep, gates.OutOfTurn, IllegalMove),
)
async def judge_validation(
    case_id: UUID,
    step: StepName,
    actor: Annotated[Actor, allow("release:validate")],
    session: Session,
) -> gates.Verdict:
    """Judge a step; with the last required one passed, the version is validated."""
    return await service.judge_validation(session, case_id, step, by=actor)


@validations.post(
    "/{case_id}:fail",
    response_model=gates.CaseOut,
    responses=responses(NotFound, gates.CaseClosed, gates.SelfApproval, DecisionDenied, OutOfScope),
)
async def fail_validation(
    case_id: UUID,
    body: FailureIn,
    actor: Annotated[Actor, allow("release:validate")],
    session: Session,
) -> gates.Case:
    """Say that a version is not valid: the case ends, and the version goes back on that path."""
    return await service.fail_validation(
        session, case_id, WayOut(body.path), reason=body.reason, by=actor
    )


@releases.post(
    "",
    status_code=201,
    response_model=gates.CaseOut,
    responses=responses(NotFound, IllegalMove, AlreadyExists, UnfitValidator, gates.ApprovalVoid),
)
async def open_release(
    body: ReleaseIn, actor: Annotated[Actor, allow("release:open")], session: Session
) -> gates.Case:
    """Release a validated version as candidate for a decision point.

    `details` of the case keep its `validator_id`, and the `kpis` that were agreed when it began.
    """
    return await service.open_release(
        session,
        body.model,
        body.version,
        point_key=body.decision_point,
        validator=body.validator,
        by=actor,
    )


@releases.post(
    "/{case_id}/steps/{step}:judge",
    response_model=gates.VerdictOut,
    responses=responses(NotFound, gates.NotAStep, gates.OutOfTurn, IllegalMove),
)
async def judge_release(
    case_id: UUID,
    step: StepName,
    actor: Annotated[Actor, allow("release:judge")],
    session: Session,
) -> gates.Verdict:
    """Measure and judge a step; a KPI validation may send the version back."""
    return await service.judge_release(session, case_id, step, by=actor)
