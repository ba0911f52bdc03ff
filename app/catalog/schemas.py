from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from app.catalog.rules import AssetKind, PointKind, ReturnTo, RiskTier, Stage
from app.catalog.signature import DataClass, JsonSchema, Signature, Variable
from app.catalog.specifics import Specifics
from app.kit.input import Input, optional
from app.kit.names import MOST, NAME

Tags = dict[
    Annotated[str, StringConstraints(min_length=1, max_length=128)],
    Annotated[str, StringConstraints(max_length=1000)],
]


class ModelIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "price-direction",
                    "kind": "machine_learning",
                    "risk_tier": "high",
                    "owner": "dana",
                    "purpose": "Say whether the price will rise above its last day's mean.",
                }
            ]
        },
    )

    name: str = Field(pattern=NAME)
    kind: AssetKind = AssetKind.MACHINE_LEARNING
    risk_tier: RiskTier
    owner: str = Field(pattern=NAME, description="Who answers for the model.")
    purpose: str = Field(min_length=1, max_length=2000, description="What the business wants.")
    tags: Tags = Field(default_factory=dict, max_length=100)


class ModelPatch(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"tags": {"team": "energy"}}], "minProperties": 1}
    )

    purpose: str = optional(min_length=1, max_length=2000)
    owner: str = optional(pattern=NAME)
    tags: Tags = optional(max_length=100)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("name at least one field to change")
        return self


class ModelOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    kind: AssetKind
    risk_tier: RiskTier
    owner_id: UUID
    purpose: str
    tags: dict[str, str]
    last_number: int = Field(description="The newest version's number; 0 while there is none.")
    revision: int
    created_at: datetime
    updated_at: datetime


class Lineage(Input):
    commit: str | None = Field(None, max_length=200, examples=["9f2c1e7"])
    repository: str | None = Field(None, max_length=500)
    run: str | None = Field(None, max_length=500)
    parents: list[int] = Field(default_factory=list, max_length=20, description="Versions.")


class TrainingData(Input):
    reference: str = Field(min_length=1, max_length=1000)
    digest: str | None = Field(None, max_length=200)
    rows: int | None = Field(None, ge=0)
    since: datetime | None = None
    until: datetime | None = None


class Card(Input):
    summary: str = Field(min_length=1, max_length=5000)
    intended_use: str = Field(min_length=1, max_length=5000)
    limitations: str = Field("", max_length=5000)
    metrics: dict[str, float] = Field(default_factory=dict, max_length=100)
    documents: list[str] = Field(default_factory=list, max_length=100)


class VersionIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "source": "s3://models/price-direction/1",
                    "digest": "sha256:" + "0" * 64,
                    "signature": {"inputs": [{"name": "demand", "unit": "MW"}]},
                    "training_data": {"reference": "s3://data/elec2.parquet"},
                    "card": {"summary": "Logistic regression.", "intended_use": "Bidding."},
                }
            ]
        },
    )

    source: str = Field(min_length=1, max_length=2000, description="Opaque; never opened here.")
    digest: str | None = Field(None, pattern=r"^[a-z0-9]+:[0-9a-f]{32,128}$")
    signature: Signature
    training_data: TrainingData
    lineage: Lineage = Field(default_factory=Lineage)
    card: Card
    specifics: Specifics | None = Field(
        None,
        description="What the model's kind asks for; `kind` is the model's."
        " Only a machine-learning model may do without.",
    )
    tags: Tags = Field(default_factory=dict, max_length=100)


class VersionPatch(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"tags": {"reviewed": "yes"}}]})

    tags: Tags = Field(max_length=100)


class VersionOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    model_id: UUID
    number: int
    source: str
    digest: str | None
    signature: Signature
    training_data: dict[str, Any]
    lineage: dict[str, Any]
    card: dict[str, Any]
    specifics: dict[str, Any] | None = Field(description="As in VersionIn, by `kind`.")
    content_digest: str = Field(description="Over all that cannot change.")
    stage: Stage
    returned_to: ReturnTo | None = Field(description="The development step it went back to.")
    tags: dict[str, str]
    developer_id: UUID
    revision: int
    created_at: datetime


class SearchHit(BaseModel):
    version_id: UUID
    model: str
    number: int
    stage: Stage
    returned_to: ReturnTo | None
    kind: AssetKind
    risk_tier: RiskTier
    owner_id: UUID
    purpose: str
    model_tags: dict[str, str]
    tags: dict[str, str]
    summary: str
    training_data: str = Field(description="Its reference.")
    matched: list[str] = Field(description="Fields that hold words of `q`.")
    created_at: datetime


class AliasIn(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"number": 2}]})

    number: int = Field(ge=1, lt=MOST)


class AliasOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    name: str
    number: int
    version_id: UUID


Place = Annotated[
    str,
    StringConstraints(
        max_length=500,
        pattern=r'^\$(\.[^.\[\]$"]{1,128}|\[(\*|\d{1,4}|"[^"\\]{1,128}")\]){0,20}$',
    ),
]
"""Where in a document: `$`, `$.customer.age`, `$.lines[*].amount`."""
Neighbours = Annotated[list[Annotated[str, StringConstraints(pattern=NAME)]], Field(max_length=100)]

Feature = Annotated[str, StringConstraints(pattern=r"^[^=\x00]{1,128}$")]


class Contract(Input):
    """What the decision point sends, what it takes for an answer, and how fast."""

    inputs: list[Variable] = Field(min_length=1, max_length=1000)
    events_per_minute: float = Field(gt=0, description="Expected velocity.")
    latency_ms: float = Field(gt=0, description="Budget for an answer.")
    input_schema: JsonSchema | None = Field(
        None,
        description="JSON Schema (draft 2020-12: local `$ref` only) of what the point sends;"
        " without one it follows from `inputs`.",
    )
    output_schema: JsonSchema | None = Field(
        None, description="The same of what it takes for an answer; without one, anything."
    )
    data_classes: dict[Place, DataClass] = Field(
        default_factory=dict,
        max_length=1000,
        description="How carefully what stands at a path (`$.customer.age`) is to be handled.",
    )
    instance_tolerance: float | None = Field(
        None, gt=0, description="How far instances of one version may differ here, in its scores."
    )
    upstream: Neighbours = Field(
        default_factory=list, description="Decision points whose decisions this one receives."
    )
    downstream: Neighbours = Field(
        default_factory=list, description="Decision points that receive this one's decisions."
    )

    segments: list[Feature] = Field(
        default_factory=list,
        max_length=3,
        description="Features of events by which the traffic is told apart, such as `state`: its"
        " profiles are kept of each of their first 20 values besides. What came before is not"
        " counted so.",
        examples=[["state"]],
        json_schema_extra={"uniqueItems": True},
    )

    @field_validator("upstream", "downstream")
    @classmethod
    def _once(cls, keys: list[str]) -> list[str]:
        if len(set(keys)) != len(keys):
            raise ValueError("a decision point is named twice")
        return keys

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        if len(set(self.segments)) != len(self.segments):
            raise ValueError("segments: a feature is named twice")
        known = (self.input_schema or {}).get("properties")
        strange = [name for name in self.segments if known and name not in known]
        if strange:
            raise ValueError(
                f"segments: {', '.join(strange)} is not among the properties of input_schema"
            )
        return self


class PointIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "key": "nsw-price-direction",
                    "kind": "application",
                    "owner": "oscar",
                    "description": "The bidding desk's half-hourly call.",
                    "contract": {
                        "inputs": [{"name": "demand", "unit": "MW"}],
                        "events_per_minute": 0.0333,
                        "latency_ms": 50,
                    },
                }
            ]
        },
    )

    key: str = Field(pattern=NAME)
    kind: PointKind
    owner: str = Field(pattern=NAME)
    description: str = Field("", max_length=2000)
    contract: Contract


class NeighbourOut(BaseModel):
    key: str
    declared_by: list[str] = Field(description="Whose contract says so: one of the two, or both.")


class NeighboursOut(BaseModel):
    decision_point: str
    upstream: list[NeighbourOut]
    downstream: list[NeighbourOut]
    cycle: list[str] | None = Field(
        description="A shortest way from here downstream and back to here: a feedback loop."
    )


class PointPatch(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"description": "Moved to the new app"}]},
    )

    description: str = optional(max_length=2000)
    contract: Contract = optional()


class PointOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    key: str
    kind: PointKind
    owner_id: UUID
    description: str
    contract: Contract
    revision: int
    created_at: datetime
