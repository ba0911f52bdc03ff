from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from app.kit.input import Input
from app.kit.names import NAME
from app.release.contract_cases import Cases, ContractCase, Load, require_cases
from app.release.integration import Protocol

_REMOTE = r"^[^\x00-\x1f\x7f]{1,200}$"

_CASE: dict[str, Any] = {
    "name": "a calm morning",
    "input": {"demand": 7100.5},
    "expect": [{"pointer": "/score", "value": 0.31}],
    "tolerance": {"absolute": 0.01},
}


class _CallIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"load": {"requests": 200, "concurrency": 8}, "timeout_ms": 500}]
        }
    )

    protocol: Protocol = Protocol.JSON
    load: Load = Load()
    timeout_ms: int = Field(2000, ge=10, le=30_000, description="For each call.")
    remote_model: str | None = Field(
        None,
        pattern=_REMOTE,
        description="What the model is called there (Open Inference Protocol); else its name.",
    )
    remote_version: str | None = Field(
        None, pattern=_REMOTE, description="Its version there; by default the server chooses."
    )

    @model_validator(mode="after")
    def _of_the_protocol(self) -> Self:
        if self.protocol is Protocol.JSON and (self.remote_model or self.remote_version):
            raise ValueError("only the Open Inference Protocol names model and version")
        return self


class EndpointTestIn(_CallIn):
    instance: str | None = Field(
        None, pattern=NAME, description="Of the version; its endpoint is called instead."
    )


class IntegrationIn(_CallIn):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "endpoint": "https://models.example.com/score",
                    "protocol": "json",
                    "cases": [_CASE],
                    "load": {"requests": 200, "concurrency": 8},
                    "timeout_ms": 500,
                }
            ]
        }
    )

    endpoint: str = Field(
        max_length=2000,
        description="What is called; of the Open Inference Protocol the base under which `/v2` is."
        " It has no query, for that could hold a secret, and no header is sent along.",
    )
    cases: Annotated[Cases, AfterValidator(require_cases)] | None = Field(
        None, description="Without them, those that the decision point keeps."
    )


class PointCasesIn(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"cases": [_CASE]}]})

    cases: Annotated[Cases, AfterValidator(require_cases)]


class PointCasesOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    cases: list[ContractCase]
    revision: int
    author_id: UUID
    at: datetime
