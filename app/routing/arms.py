"""Arms: versions among which a segment's units are shared out. Pure."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator

from app.kit.input import Input
from app.kit.names import MOST, NAME
from app.telemetry import REHEARSAL

MAX_WEIGHT = 1_000_000
WORD = r"^[a-z0-9_-]{1,40}$"
CHAMPION = "champion"
"""The arm under which the champion answers where a plan names nobody."""


@dataclass(frozen=True, slots=True)
class Written:
    """An arm as a strategy has it; without a model it is the champion's."""

    name: str
    model: str | None
    version: int | None
    weight: int
    parameters: dict[str, Any]


class VersionArm(Input):
    model_config = ConfigDict(frozen=True)

    name: str = Field(pattern=WORD, description="Names the arm's evidence.")
    model: str = Field(pattern=NAME)
    version: int = Field(ge=1, lt=MOST)

    @field_validator("name")
    @classmethod
    def _free(cls, name: str) -> str:
        if name == REHEARSAL:
            raise ValueError(f"{REHEARSAL!r} is the guarded perimeter's name")
        return name


class WeightedArm(VersionArm):
    weight: int = Field(ge=0, le=MAX_WEIGHT)


class Rewarded(Input):
    """What its experiments are decided by: the reward that comes back with an outcome."""

    model_config = ConfigDict(frozen=True)

    reward: Literal["binary", "continuous"] = Field(
        "binary", description="binary: a reward above 0 is a success."
    )
    better: Literal["higher", "lower"] = Field(
        "higher", description="lower: of a cost, or of what should not happen."
    )
    attribution_hours: int = Field(
        0,
        ge=0,
        le=24 * 90,
        description="How long a reward is waited for: only decisions that are older count, and"
        " one without a reward by then has earned 0, whatever comes later. At 0 what has come"
        " back counts, at once.",
    )
