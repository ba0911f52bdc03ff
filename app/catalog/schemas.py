from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.catalog.rules import AssetKind, PointKind, ReturnTo, RiskTier, Stage
from app.catalog.signature import Signature, Variable
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


class Contract(Input):
    """What the decision point sends and how fast it must be answered."""

    inputs: list[Variable] = Field(min_length=1, max_length=1000)
    events_per_minute: float = Field(gt=0, description="Expected velocity.")
    latency_ms: float = Field(gt=0, description="Budget for an answer.")


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
