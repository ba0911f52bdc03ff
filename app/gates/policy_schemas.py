from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.gates.diff import Kind
from app.gates.policy import Policy, WayOut
from app.gates.schemas import RuleResult, VerdictOut
from app.kit.input import Input
from app.kit.names import MOST


class PolicyIn(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"body": {"gates": {}}}]})

    body: dict[str, Any] = Field(description="A policy as GET returns it, every gate named.")


class PolicyOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    tier: str
    revision: int
    body: Policy
    digest: str = Field(description="Over the canonical JSON of `body`, as it is shown here.")
    author_id: UUID
    at: datetime


class PolicyRevisionOut(BaseModel):
    tier: str
    revision: int
    digest: str
    author_id: UUID
    author: str | None = Field(description="Null for what the server itself began with.")
    at: datetime


class ChangeOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    gate: str
    rule: str | None = Field(description="Null where the gate itself changes.")
    change: Kind
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class PolicyDraftOut(BaseModel):
    """What would be saved."""

    model_config = ConfigDict(from_attributes=True)

    validate_only: Literal[True] = True
    tier: str
    revision: int = Field(description="The revision it would become.")
    body: Policy
    digest: str
    changes: list[ChangeOut] = Field(description="Against the present revision.")


class ReplayIn(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"revision": 1, "last": 100}]})

    body: dict[str, Any] | None = Field(None, description="A draft; or else `revision`.")
    revision: int | None = Field(None, ge=1, lt=MOST, description="A stored revision.")
    last: int = Field(100, ge=1, le=1000, description="How many verdicts, the newest first.")

    @model_validator(mode="after")
    def _one_policy(self) -> "ReplayIn":
        if (self.body is None) == (self.revision is None):
            raise ValueError("give either body or revision")
        return self


class PassedOut(BaseModel):
    before: bool
    after: bool


class PathOut(BaseModel):
    before: WayOut | None
    after: WayOut | None


class RuleChangeOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    rule: str
    before: bool | None = Field(description="Null where the verdict's policy had no such rule.")
    after: bool | None = Field(description="Null where the replayed policy has no such rule.")
    error: str | None


class ReplayedVerdictOut(BaseModel):
    verdict_id: UUID
    case_id: UUID
    step: str
    at: datetime
    passed: PassedOut
    path: PathOut
    rules: list[RuleChangeOut] = Field(description="Those that fail on one side only.")


class ReplayCounts(BaseModel):
    changed: int = Field(description="Verdicts listed in `changes`.")
    unchanged: int
    would_open: int = Field(description="Failed then, would pass.")
    would_close: int = Field(description="Passed then, would fail.")
    other_path: int = Field(description="Another way out of a KPI validation.")


class ReplayOut(BaseModel):
    tier: str
    revision: int | None = Field(description="Null for a draft.")
    digest: str
    examined: int
    complete: bool = Field(description="False if time ran out; the newest were examined.")
    counts: ReplayCounts
    changes: list[ReplayedVerdictOut]


class RulingOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    passed: bool
    path: WayOut | None
    results: list[RuleResult]


class RecomputedOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    same: bool = Field(description="Whether the verdict follows from what it stores.")
    differs: list[Literal["passed", "path", "results", "facts_digest", "policy_digest"]]
    verdict: VerdictOut = Field(description="As it is stored.")
    ruling: RulingOut = Field(description="What its facts and policy say.")
    facts_digest: str = Field(description="Of the stored facts, computed now.")
    policy_digest: str = Field(description="Of the stored policy revision, computed now.")


class PackSummaryOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    name: str
    title: str
    description: str
    source: str | None = Field(description="What its rules cite, and where that is published.")
    rules: int
    digest: str


class PackOut(PackSummaryOut):
    body: Policy = Field(description="Adopt it by PUT to /v1/policies/{tier} as `body`.")
