from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.kit.input import Input
from app.kit.names import MOST, NAME
from app.routing.tables import FallbackKind

MOST_BYTES = 8192
"""How large a constant may be: it is in the memory of every process, and in every answer."""

Reason = Annotated[str, Field(min_length=1, max_length=2000)]


class FallbackIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"kind": "constant", "constant": {"decision": "refer to a person"}}]
        }
    )

    kind: FallbackKind
    model: str | None = Field(None, pattern=NAME, description="Of kind version.")
    version: int | None = Field(None, ge=1, lt=MOST, description="Of kind version.")
    endpoint: str | None = Field(
        None,
        max_length=2000,
        description="Of kind version: taken from its activation here, and others are refused.",
    )
    parameters: dict[str, Any] | None = Field(
        None, max_length=50, description="As `endpoint`: left out, they are taken over."
    )
    constant: Any = Field(
        None, description=f"Of kind constant: any JSON value of at most {MOST_BYTES} bytes."
    )

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        given = self.model_fields_set
        named = self.model is not None and self.version is not None
        if named != (self.kind is FallbackKind.VERSION):
            raise ValueError("model and version are named by kind version, and by no other")
        if ("constant" in given) != (self.kind is FallbackKind.CONSTANT):
            raise ValueError("constant is given by kind constant, and by no other")
        if len(orjson.dumps([self.constant, self.parameters])) > MOST_BYTES:
            raise ValueError(f"larger than {MOST_BYTES} bytes")
        if self.kind is not FallbackKind.VERSION and (self.endpoint or self.parameters):
            raise ValueError("endpoint and parameters are a version's")
        return self


class AnswerOut(BaseModel):
    model: str | None
    version: int | None
    endpoint: str | None = Field(description="As the version was last activated here.")
    parameters: dict[str, Any]
    constant: bool


class FallbackOut(BaseModel):
    decision_point: str
    kind: FallbackKind
    model: str | None
    version: int | None
    endpoint: str | None
    parameters: dict[str, Any]
    constant: Any
    revision: int = Field(description="0: nothing was declared, the previous champion answers.")
    answers: AnswerOut | None = Field(
        description="What would answer if everything were stopped now; null: nobody."
    )


class StopIn(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "Refuses every customer since 14:00."}]}
    )

    reason: Reason
    model: str | None = Field(None, pattern=NAME, description="With version: stop only that one.")
    version: int | None = Field(None, ge=1, lt=MOST)

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.model is None) != (self.version is None):
            raise ValueError("model and version are named together, or neither")
        return self


class ResumeIn(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "The feed is whole again; checked by two."}]}
    )

    reason: Reason
    stop_id: UUID | None = Field(None, description="Only this stop; by default all that hold.")
    accept_cause: bool = Field(
        False, description="Resume though what the server stopped it for still holds."
    )


class StopOut(BaseModel):
    id: UUID
    model: str | None = Field(description="With version: only that one is stopped.")
    version: int | None
    cause: str = Field(
        description="operator: by hand. Else what the server stopped it for, such as"
        " `guardrail:loss`."
    )
    by_itself: bool = Field(description="The server stopped it, nobody pressed anything.")
    reason: str
    stopped_by: str | None = Field(description="Null where the server did.")
    since: datetime
    generation: int = Field(description="The first of the routing under which it held.")
    until: datetime | None
    resumed_by: str | None
    resumed_reason: str | None
    resumed_generation: int | None = Field(description="The first under which it held no more.")


class StoppedOut(StopOut):
    answered: bool = Field(
        description="Something stands in; if not, routes are refused as `stopped` from now on."
    )


class ResumedOut(BaseModel):
    resumed: list[StopOut]
    still_stopped: list[StopOut] = Field(description="Other stops that hold here.")
