from datetime import datetime
from typing import Any, ClassVar, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.catalog import ReturnTo
from app.gates import WayOut
from app.kit.input import Input
from app.kit.names import MOST, NAME
from app.release.effect import METRICS
from app.release.tables import Cause, ProcedureKind


class TaskOut(BaseModel):
    key: str
    title: str
    why: str
    call: str | None = Field(description="The call that does it, where it is one.")
    done_by: str | None
    done_at: datetime | None
    note: str | None


class SaidOut(BaseModel):
    """What a validator said, unless he was forgotten since."""

    by: str | None
    reason: str | None
    at: datetime


class HandBackOut(BaseModel):
    """What a version was sent back with, for its developers."""

    id: UUID
    model: str
    version: int
    path: WayOut
    returned_to: ReturnTo
    decision_point: str | None
    case_id: UUID | None
    verdict_id: UUID | None = Field(description="The KPI validation that sent it back.")
    found: dict[str, Any] = Field(description="Drift, performance and KPIs as they were judged.")
    said: SaidOut | None = Field(description="Why a validator sent it back, if one did.")
    open: int = Field(description="Tasks that are left.")
    tasks: list[TaskOut]
    at: datetime


class TaskDoneIn(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"note": "Meters were recalibrated in May; 3 M new rows."}]}
    )

    note: str = Field(min_length=1, max_length=2000, description="What was found or done.")


class Expected(Input):
    """What a change should bring, in a figure that KPI validation measures."""

    metric: str = Field(
        pattern=METRICS,
        description="`accuracy`, `drift_share`, or `kpi.<key>`.",
        examples=["accuracy"],
    )
    by: float = Field(description="At least so far, upwards or (below 0) downwards.")


class ProcedureIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "retrain",
                    "model": "price-direction",
                    "version": 1,
                    "cause": "request",
                    "reason": "The market's rules changed in May.",
                    "expected": {"metric": "accuracy", "by": 0.02},
                }
            ]
        },
    )

    kind: ProcedureKind
    model: str = Field(pattern=NAME)
    version: int = Field(ge=1, lt=MOST)
    cause: Cause
    cause_id: UUID | None = Field(None, description="The hand-back or alert; not for a request.")
    reason: str = Field(min_length=1, max_length=2000)
    expected: Expected

    @model_validator(mode="after")
    def _caused(self) -> Self:
        if (self.cause is Cause.REQUEST) != (self.cause_id is None):
            raise ValueError("a hand-back or an alert is named by cause_id, a request by none")
        return self


class LinkIn(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": "price-direction", "version": 2}]}
    )

    model: str = Field(pattern=NAME)
    version: int = Field(ge=1, lt=MOST)


class AbandonIn(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "The model retires."}]})

    reason: str = Field(min_length=1, max_length=2000)


class ConcludeIn(Input):
    EXAMPLES: ClassVar[list[Any]] = [{"unmeasured_because": "Version 1 never had a KPI."}]

    unmeasured_because: str | None = Field(
        None,
        min_length=1,
        max_length=2000,
        description="Why the effect cannot be measured; asked for only where it was not.",
    )


class ObservedOut(BaseModel):
    before: float | None = Field(description="By the version's newest KPI validation.")
    after: float | None = Field(description="By the resulting version's.")
    change: float | None
    met: bool | None = Field(description="Null while either was not measured.")


class ProcedureOut(BaseModel):
    id: UUID
    kind: ProcedureKind
    model: str
    version: int
    cause: Cause
    cause_id: UUID | None
    reason: str
    expected: Expected
    opened_by: str | None
    opened_at: datetime
    result_model: str | None = Field(description="The version that came of it.")
    result_version: int | None
    observed: ObservedOut
    closed_at: datetime | None
    result: str | None = Field(description="concluded or abandoned.")
