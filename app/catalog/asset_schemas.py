"""Members, instances, lineage and forks, as they are sent and shown."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.catalog.lineage import Direction
from app.catalog.rules import AssetKind, Stage
from app.kit.input import Input
from app.kit.names import NAME

Attribute = Annotated[str, StringConstraints(pattern=NAME)]
Value = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Parameter = Annotated[str, StringConstraints(max_length=1000)] | bool | int | float | None


class MemberOut(BaseModel):
    """A version inside of an ensemble."""

    position: int
    model: str
    version: int
    version_id: UUID
    role: str
    weight: float | None
    kind: AssetKind
    stage: Stage = Field(description="Where the member stands now.")
    content_digest: str


class InstanceIn(Input):
    """A version, set up for one segment."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "key": "nsw-retail",
                    "segment": {"state": "NSW", "product": "retail"},
                    "parameters": {"threshold": 0.62},
                    "endpoint": "https://models.example.com/nsw-retail/v2",
                }
            ]
        },
    )

    key: str = Field(pattern=NAME, description="Names the instance within its version.")
    segment: dict[Attribute, Value] = Field(
        min_length=1, max_length=20, description="What the segment's units have in common."
    )
    parameters: dict[Attribute, Parameter] = Field(
        default_factory=dict, max_length=100, description="What is set otherwise for the segment."
    )
    endpoint: str | None = Field(
        None, min_length=1, max_length=2000, description="Where it answers, if it runs by itself."
    )


class InstanceOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    version_id: UUID
    key: str
    segment: dict[str, str]
    parameters: dict[str, Any]
    endpoint: str | None
    author_id: UUID
    at: datetime
    ended_at: datetime | None = Field(description="Null while it stands.")


class ForkIn(Input):
    """Which model a version is taken over into."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"into": "gas-price-direction", "summary": "The electricity desk's, for gas."}
            ]
        },
    )

    into: str = Field(pattern=NAME, description="A model of the same kind, of another team.")
    summary: str | None = Field(
        None, min_length=1, max_length=5000, description="Instead of the original card's."
    )


class NodeOut(BaseModel):
    """A version, the data it was trained on, or the commit it was built from."""

    id: str
    kind: str = Field(description="version, training_data or commit", examples=["version"])
    label: str
    model: str | None = None
    version: int | None = None
    asset_kind: AssetKind | None = None
    stage: Stage | None = None
    digest: str | None = Field(None, description="Of a version's content, or of the data.")


class EdgeOut(BaseModel):
    """``source`` went into ``target``."""

    source: str
    target: str
    kind: str = Field(
        description="parent, fork, retrain, member, trained_on or built_from", examples=["parent"]
    )


class LineageOut(BaseModel):
    """A version with what it came out of and what came out of it."""

    root: UUID
    direction: Direction
    depth: int
    nodes: list[NodeOut] = Field(description="Versions first, the nearest before the others.")
    edges: list[EdgeOut]
    truncated: bool = Field(description="There is more, farther away than asked or beyond 500.")


class GapOut(BaseModel):
    """Something that the catalog does not know of a version."""

    field: str
    problem: str
    mend: str


class CompletenessOut(BaseModel):
    """Whether a version is catalogued and documented, and what is missing."""

    complete: bool
    gaps: list[GapOut]
