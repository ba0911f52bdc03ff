"""Multivariate tests: factors with levels, each combination of them an arm. Pure."""

from itertools import product
from math import prod
from typing import Any, Literal

from pydantic import ConfigDict, Field, model_validator

from app.kit.input import Input
from app.kit.names import MOST, NAME
from app.routing.arms import WORD, Rewarded, VersionArm, Written
from app.telemetry import REHEARSAL

_MOST_TOTAL = 2**31 - 1
"""What flagd's fractional operation takes as the sum of weights."""
_MOST_COMBINATIONS = 64


class Level(Input):
    """One setting of a factor: a version, parameters, or both."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(pattern=r"^[a-z0-9_-]{1,20}$")
    model: str | None = Field(None, pattern=NAME)
    version: int | None = Field(None, ge=1, lt=MOST)
    parameters: dict[str, Any] = Field(
        {}, max_length=50, description="Added to those the version was activated with."
    )
    weight: int = Field(1, ge=0, le=1_000)

    @model_validator(mode="after")
    def _whole(self) -> "Level":
        if (self.model is None) != (self.version is None):
            raise ValueError("a model and its version are named together")
        return self


class Factor(Input):
    model_config = ConfigDict(frozen=True)

    name: str = Field(pattern=WORD)
    levels: tuple[Level, ...] = Field(min_length=2, max_length=10)

    @model_validator(mode="after")
    def _told_apart(self) -> "Factor":
        if len({level.name for level in self.levels}) < len(self.levels):
            raise ValueError("two levels have the same name")
        if not any(level.weight for level in self.levels):
            raise ValueError("at least one level needs a weight above 0")
        if len({level.model is None for level in self.levels}) > 1:
            raise ValueError("either all levels of a factor name a version, or none does")
        return self


class Multivariate(Rewarded):
    """A multivariate test: every combination of the factors' levels is an arm."""

    kind: Literal["multivariate"]
    factors: tuple[Factor, ...] = Field(
        min_length=1,
        max_length=4,
        description="At most one of them names versions; without one, the champion answers under"
        " every combination. An arm is called by its levels: `new.strict`.",
    )

    @model_validator(mode="after")
    def _drawn(self) -> "Multivariate":
        if len({factor.name for factor in self.factors}) < len(self.factors):
            raise ValueError("two factors have the same name")
        if any(level.name == REHEARSAL for factor in self.factors for level in factor.levels):
            raise ValueError(f"{REHEARSAL!r} is the guarded perimeter's name")
        if sum(factor.levels[0].model is not None for factor in self.factors) > 1:
            raise ValueError("two factors name versions")
        count = prod(len(factor.levels) for factor in self.factors)
        if count > _MOST_COMBINATIONS:
            raise ValueError(f"{count} combinations; at most {_MOST_COMBINATIONS} are told apart")
        if sum(arm.weight for arm in self.written()) > _MOST_TOTAL:
            raise ValueError("the combinations' weights add up to more than 2,147,483,647")
        return self

    @property
    def named(self) -> tuple[VersionArm, ...]:
        """The versions that the strategy names."""
        return tuple(
            VersionArm(name=level.name, model=level.model, version=level.version)
            for factor in self.factors
            for level in factor.levels
            if level.model is not None and level.version is not None
        )

    def written(self) -> list[Written]:
        """Return the arms in their order, with the weights they begin with."""
        return [_combined(levels) for levels in product(*(one.levels for one in self.factors))]


def _combined(levels: tuple[Level, ...]) -> Written:
    of_version = next((level for level in levels if level.model is not None), None)
    return Written(
        ".".join(level.name for level in levels),
        of_version.model if of_version else None,
        of_version.version if of_version else None,
        prod(level.weight for level in levels),
        {name: value for level in levels for name, value in level.parameters.items()},
    )
