"""A version's signature: its original set of variables, typed, with units, and what it accepts."""

from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, ConfigDict, Field, field_validator

from app.catalog.json_schema import require_schema
from app.kit.input import Input


@lru_cache(maxsize=512)
def _require(raw: bytes) -> None:
    """Look at a schema once: what is kept is read at every call that shows it."""
    require_schema(orjson.loads(raw))


def _checked(schema: dict[str, Any]) -> dict[str, Any]:
    _require(orjson.dumps(schema))
    return schema


JsonSchema = Annotated[dict[str, Any], AfterValidator(_checked)]
"""A JSON Schema of the subset that contracts are compared in."""


class DataClass(StrEnum):
    """How carefully data are to be handled, from least to most."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    PERSONAL = "personal"
    SPECIAL_CATEGORY = "special_category"


class VariableType(StrEnum):
    """How a variable is measured; decides how it is binned and compared."""

    NUMBER = "number"
    CATEGORY = "category"


class Variable(Input):
    name: str = Field(min_length=1, max_length=128)
    type: VariableType = VariableType.NUMBER
    unit: str | None = Field(None, max_length=64, examples=["AUD/MWh"])
    description: str | None = Field(None, max_length=500)


class Target(StrEnum):
    """What the version answers with."""

    PROBABILITY = "probability"
    NUMBER = "number"


class Signature(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "inputs": [{"name": "demand", "type": "number", "unit": "MW"}],
                    "output": "probability",
                }
            ]
        },
    )

    inputs: list[Variable] = Field(min_length=1, max_length=1000)
    output: Target = Target.PROBABILITY
    input_schema: JsonSchema | None = Field(
        None,
        description="JSON Schema (draft 2020-12: local `$ref` only) of what the version accepts;"
        " without one it follows from `inputs`.",
    )
    output_schema: JsonSchema | None = Field(
        None, description="The same of what it answers; without one it follows from `output`."
    )
    data_classes_allowed: list[DataClass] | None = Field(
        None,
        max_length=len(DataClass),
        description="Which data the version may receive. One that does not say may receive public"
        " and internal data.",
    )
    latency_ms: float | None = Field(
        None, gt=0, description="What an answer takes at most, as far as development saw."
    )

    @field_validator("data_classes_allowed")
    @classmethod
    def _in_order(cls, classes: list[DataClass] | None) -> list[DataClass] | None:
        return None if classes is None else [one for one in DataClass if one in classes]

    @field_validator("inputs")
    @classmethod
    def _unique(cls, inputs: list[Variable]) -> list[Variable]:
        names = [variable.name for variable in inputs]
        if len(set(names)) != len(names):
            raise ValueError("two variables have the same name")
        return inputs
