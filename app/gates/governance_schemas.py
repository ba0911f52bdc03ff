from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.catalog import RiskTier
from app.gates.schemas import ApprovalOut
from app.gates.steps import CaseKind
from app.identity import Governed, PrincipalOut
from app.kit.input import Input

Reason = Annotated[str, Field(min_length=1, max_length=2000)]


class ReasonIn(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "Seen the new figures."}]})

    reason: Reason


class RequestIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "case_id": "0198c0de-0000-7000-8000-000000000001",
                    "step": "management_and_governance",
                    "note": "For Tuesday's committee.",
                    "days": 7,
                }
            ]
        }
    )

    case_id: UUID
    step: str = Field(pattern=r"^[a-z_]{1,64}$")
    note: str = Field("", max_length=2000)
    days: int = Field(14, ge=1, le=90, description="Until the request expires.")


class DecisionIn(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "Complete, and within the appetite."}]}
    )

    reason: Reason


class RequestOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    case_id: UUID
    kind: CaseKind
    version_id: UUID
    tier: str
    step: str
    note: str
    digest: str = Field(description="Over `covers`: the exact thing to be decided.")
    covers: dict[str, Any] = Field(description="Its parts, each as a digest.")
    requester_id: UUID
    expires_at: datetime
    at: datetime
    state: str = Field(
        description="open, granted, rejected, void, withdrawn, expired or closed.",
        examples=["open"],
    )
    changed: list[str] = Field(description="Parts that are not what they were: why it is void.")
    missing: dict[str, int] = Field(description="Approvals that the quorum still lacks, by role.")
    approvals: list[ApprovalOut]


class ChangeOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    kind: Governed
    target: str = Field(examples=["policy high", "decision point checkout"])
    expected: int | None = Field(description="The revision it was asked against.")
    before: dict[str, Any] | None
    after: dict[str, Any]
    reason: str
    digest: str
    requester_id: UUID
    approvals: int = Field(description="How many people must approve.")
    roles: list[str] = Field(description="In which roles.")
    expires_at: datetime
    closed_at: datetime | None
    result: str | None = Field(description="applied, rejected or withdrawn; null while it waits.")
    at: datetime


class ChangeDecisionOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    approved: bool
    reason: str
    person_id: UUID
    roles: list[str]
    at: datetime


class ChangeDetailOut(ChangeOut):
    grantee: PrincipalOut | None = Field(description="Who is to have the roles, of a grant.")
    decisions: list[ChangeDecisionOut]


class WaiverIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "case_id": "0198c0de-0000-7000-8000-000000000001",
                    "step": "integration_testing",
                    "rule": "latency",
                    "days": 30,
                    "reason": "The new gateway arrives in June.",
                }
            ]
        }
    )

    case_id: UUID
    step: str = Field(pattern=r"^[a-z_]{1,64}$")
    rule: str = Field(pattern=r"^[a-z0-9_]{1,80}$")
    days: int = Field(ge=1, le=366, description="From the approval on.")
    reason: Reason


class WaiverOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    version_id: UUID
    point_id: UUID | None
    gate: str
    rule: str = Field(description="`*`: every rule, by breaking the glass.")
    reason: str
    until: datetime
    ended_at: datetime | None
    change_id: UUID | None = Field(description="The change request that approved it.")
    taken_by: UUID | None = Field(description="Who broke the glass.")
    reviewer_id: UUID | None
    review: str | None
    upheld: bool | None
    reviewed_at: datetime | None
    at: datetime


class GlassIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"reason": "Fraud wave; the committee is unreachable.", "hours": 4}]
        }
    )

    reason: Reason
    hours: int = Field(4, ge=1, le=24)


class ReviewIn(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"upheld": True, "review": "Right; minutes of 3 May."}]}
    )

    upheld: bool
    review: Reason


class TierIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"risk_tier": "high", "reason": "Used for credit decisions since May."}]
        }
    )

    risk_tier: RiskTier
    reason: Reason


class RightsIn(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"body": {"grants": [], "change_control": {}}}]}
    )

    body: dict[str, Any] = Field(description="Decision rights as GET returns them, complete.")


class RaciRow(BaseModel):
    action: str
    tier: str
    responsible: list[str]
    accountable: list[str]
    consulted: list[str]
    informed: list[str]


class RightsOut(BaseModel):
    revision: int = Field(description="1 for what the tenant started with.")
    body: dict[str, Any]
    digest: str
    author_id: UUID
    at: datetime
    raci: list[RaciRow]


class RightsRevisionOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    revision: int
    digest: str
    author_id: UUID
    at: datetime
