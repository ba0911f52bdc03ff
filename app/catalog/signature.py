"""A version's signature: its original set of variables, typed, with units."""

from enum import StrEnum

from pydantic import ConfigDict, Field, field_validator

from app.kit.input import Input


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

    @field_validator("inputs")
    @classmethod
    def _unique(cls, inputs: list[Variable]) -> list[Variable]:
        names = [variable.name for variable in inputs]
        if len(set(names)) != len(names):
            raise ValueError("two variables have the same name")
        return inputs
