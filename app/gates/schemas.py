from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.gates.policy import WayOut
from app.gates.steps import CaseKind
from app.kit.input import Input


class Signature(Input):
    """Whose word a piece of evidence is, provably."""

    key_id: UUID = Field(description="A signing key of the caller, or of whom he answers for.")
    at: str = Field(
        max_length=40,
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
        r"(Z|[+-][0-9]{2}:[0-9]{2})$",
        description="When it was signed (RFC 3339), within the last day; it is signed as well. A"
        " body is taken once, and not after something newer was proven.",
    )
    value: str = Field(
        max_length=128,
        description="Ed25519 signature, 64 bytes in base64, over the RFC 8785 canonical JSON of"
        ' `{"at": …, "case": <its id>, "step": …, "kind": …, "payload": …}`.',
    )


class EvidenceIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "integration",
                    "payload": {"cases": 40, "failures": 0, "p99_ms": 12.5},
                }
            ]
        },
    )

    kind: str = Field(pattern=r"^[a-z_]{1,64}$", description="Rules read it as evidence.<kind>.")
    payload: dict[str, Any] = Field(
        description="`signed_by` is the server's to write; so is what only a measurement knows:"
        " of kind `integration` `run` and whose the cases were, of `deployment` `targets`, of"
        " `hand_off` `accepted`."
    )
    signature: Signature | None = Field(
        None,
        description="The payload as it is kept then says `signed_by` whom, and"
        " what `part` he had in making the version.",
    )


class EvidenceOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    step: str
    kind: str
    payload: dict[str, Any]
    digest: str
    measured: bool = Field(description="Recorded by the server itself.")
    author_id: UUID
    at: datetime


class EvidenceGivenOut(EvidenceOut):
    read_by: list[str] = Field(
        description="The rules of the step's gate that read this kind; none: nothing hangs on it."
    )


class ApprovalIn(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"approved": True, "reason": "Reviewed on 3 May."}]},
    )

    approved: bool = True
    reason: str = Field(min_length=1, max_length=2000)
    digest: str | None = Field(
        None, max_length=100, description="What you looked at; refused if it no longer stands."
    )


class ApprovalOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    case_id: UUID
    step: str
    approved: bool
    reason: str
    person_id: UUID
    roles: list[str] = Field(description="In which roles, lent ones included.")
    digest: str = Field(description="What was decided on; any change of it voids the decision.")
    covers: dict[str, Any] | None = Field(description="Its parts, each as a digest.")
    at: datetime


class ApprovalGivenOut(ApprovalOut):
    asked: list[str] = Field(
        description="The roles that the step's gate counts; a word in none of them opens nothing."
    )


class RuleResult(BaseModel):
    rule: str
    passed: bool
    severity: str
    reason: str
    path: WayOut | None
    error: str | None = Field(description="Why it could not be evaluated; errors deny.")
    waiver: UUID | None = Field(None, description="The waiver under which it need not hold.")
    owner: str | None = Field(None, description="Who answers for the rule.")
    cites: list[str] = Field(default=[], description="What asks for it.")
    mend: list[str] = Field(default=[], description="Of a failed rule: which calls supply it.")


class VerdictOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    case_id: UUID
    step: str
    passed: bool
    path: WayOut | None = Field(description="Of a KPI validation: its way out.")
    tier: str
    policy_revision: int
    policy_digest: str
    facts: dict[str, Any] = Field(description="All that the rules looked at.")
    facts_digest: str
    results: list[RuleResult]
    at: datetime


class MissingOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    rule: str | None = Field(description="Null while the step has not been judged as it stands.")
    reason: str
    mend: list[str] = Field(description="The calls that supply it.")


class StepOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    step: str
    required: bool
    before_commit: bool
    passed: bool | None = Field(description="Null while it has not been judged.")
    path: WayOut | None
    verdict_id: UUID | None
    at: datetime | None
    missing: list[MissingOut] = Field(description="What it still needs, if policy asks for it.")


class CaseOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    kind: CaseKind
    version_id: UUID
    point_id: UUID | None
    tier: str
    policy_revision: int
    details: dict[str, Any]
    requester_id: UUID
    developer_id: UUID
    opened_at: datetime
    closed_at: datetime | None
    result: str | None


class WaitOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    step: str
    before_commit: bool = Field(description="Of an activation: whether the swap waits for it.")
    judged: bool = Field(description="False while it has not been judged as it stands now.")
    rules: list[str] = Field(description="Rules of its gate that did not hold when it was judged.")
    roles: list[str] = Field(
        description="Whose approval its gate asks for, and nobody has given of what stands now."
    )


class CaseRowOut(CaseOut):
    waits_for: list[WaitOut] = Field(
        description="The required steps that are not passed, while the case is open."
        " GET /v1/cases/{case_id} says which calls supply what is missing."
    )


class DocketOut(CaseOut):
    steps: list[StepOut]
    evidence: list[EvidenceOut]
    approvals: list[ApprovalOut]
    verdicts: list[VerdictOut]
