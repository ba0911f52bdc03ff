from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.activation.deployment_schemas import HandOffOut
from app.kit.input import Input
from app.kit.names import MOST, NAME
from app.routing import SeatRole


class ActivationIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "price-direction",
                    "version": 1,
                    "decision_point": "nsw-price-direction",
                    "role": "champion",
                    "endpoint": "https://scoring.example/price-direction/1",
                }
            ]
        },
    )

    model: str = Field(pattern=NAME)
    version: int = Field(ge=1, lt=MOST)
    decision_point: str = Field(pattern=NAME)
    role: SeatRole = SeatRole.CHAMPION
    endpoint: str | None = Field(None, max_length=2000, description="Handed to applications.")
    parameters: dict[str, Any] = Field(default_factory=dict, max_length=50)


class RollbackIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "instead_of": "0197c0de-0000-7000-8000-000000000001",
                    "reason": "Complaints since the swap.",
                }
            ]
        },
    )

    instead_of: UUID = Field(description="The version that is champion and should not be.")
    reason: str = Field(min_length=1, max_length=2000)
    accept_returned: bool = Field(
        False, description="Go back even to a version that was sent back to development."
    )
    accept_unapproved: bool = Field(
        False, description="Go back even to a version whose approval no longer stands."
    )
    accept_expired: bool = Field(
        False, description="Go back even to precalculated scores that are no longer valid."
    )
    accept_cause: bool = Field(
        False,
        description="Undo a rollback even if a guardrail made it; that is recorded. What he has"
        " done up to the next whole hour, and alerts that stand, no guardrail holds against him"
        " then.",
    )
    undo: bool = Field(
        False,
        description="Undo the rollback that the champion came by: who was rolled back from comes"
        " back, and all is as it was before.",
    )


class EventTrace(BaseModel):
    event_id: UUID | None = Field(description="The sender's own name for it, if he gave one.")
    model: str
    version: int
    arm: str
    shadow: bool
    at: datetime
    score: float | None
    prediction: float | None
    features: dict[str, Any] | None = Field(description="Null once retention removed them.")


class SaidTrace(BaseModel):
    label: float | None
    reward: float | None
    cost: float | None
    revision: int = Field(description="Of a decision's revisions the highest stands.")
    at: datetime
    received_at: datetime


class OutcomeTrace(SaidTrace):
    history: list[SaidTrace] = Field(
        description="What was said under lower revisions, the lowest first."
    )


class PlanTrace(BaseModel):
    revision: int
    digest: str
    author: str
    cause: str
    strategy: str
    generation: int
    propensity: float
    decided_at: datetime


class VersionTrace(BaseModel):
    model: str
    number: int
    stage: str
    digest: str | None
    content_digest: str
    developer: str | None
    owner: str | None


class SignatureTrace(BaseModel):
    person: str
    step: str
    approved: bool
    reason: str
    at: datetime


class ChampionOut(BaseModel):
    decision_point: str
    model: str
    number: int
    version_id: UUID
    role: SeatRole
    endpoint: str | None
    parameters: dict[str, Any]
    since: datetime = Field(description="The swap; at this instant it was champion already.")
    until: datetime | None = Field(description="The next swap, exclusive; null up to now.")
    cause: str = Field(
        description="activated; rolled_back: back in the seat of its case; reinstated: that undone."
    )
    case_id: UUID = Field(description="The activation that gave the seat.")
    requested_by: str | None = Field(description="Who opened that activation.")
    signatories: list[SignatureTrace] = Field(description="Who had decided on it by then.")


class CaseTrace(BaseModel):
    case_id: UUID
    kind: str
    role: str | None = Field(description="Of an activation: champion or challenger.")
    result: str | None
    policy: str
    approvals: list[SignatureTrace]
    hand_off: HandOffOut | None = Field(description="Of an activation: what was handed over.")


class StopTrace(BaseModel):
    id: UUID
    cause: str
    reason: str
    stopped_by: str | None = Field(description="Null where the server did.")
    since: datetime
    until: datetime | None


class TraceOut(BaseModel):
    decision_id: UUID
    decision_point: str
    events: list[EventTrace]
    outcome: OutcomeTrace | None
    plan: PlanTrace | None
    version: VersionTrace
    cases: list[CaseTrace]
    stop: StopTrace | None = Field(description="The stop for which the fallback answered.")
