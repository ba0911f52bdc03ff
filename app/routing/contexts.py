"""Contextual bandits as they are written, and contexts as the numbers they learn from. Pure."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import ConfigDict, Field, model_validator

from app.kit.arrays import Floats
from app.kit.input import Input
from app.routing.arms import Rewarded, VersionArm, Written
from app.routing.conditions import UNIT

_WIDEST = 64
_FARTHEST = 5.0
"""No number counts as farther from the centre: one unit must not be all the evidence."""


class Number(Input):
    """A number of the context, in units of its scale."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["number"]
    name: str = Field(min_length=1, max_length=100)
    centre: float = Field(0.0, allow_inf_nan=False, description="What is usual; stands for none.")
    scale: float = Field(1.0, gt=0, allow_inf_nan=False, description="How far is far.")

    @property
    def width(self) -> int:
        """How many numbers it becomes."""
        return 1

    def knows(self, value: Any) -> bool:
        """Say whether a value tells anything."""
        return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)

    def numbers(self, value: Any) -> list[float]:
        """Return a value as the model takes it; 0, the centre, of what is no number."""
        if not self.knows(value):
            return [0.0]
        return [max(-_FARTHEST, min(_FARTHEST, (value - self.centre) / self.scale))]


class Category(Input):
    """A word of the context, each of its levels told apart; all others are one."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["category"]
    name: str = Field(min_length=1, max_length=100)
    levels: tuple[str, ...] = Field(min_length=1, max_length=20)

    @model_validator(mode="after")
    def _told_apart(self) -> "Category":
        if len(set(self.levels)) < len(self.levels):
            raise ValueError("two levels are the same")
        return self

    @property
    def width(self) -> int:
        """How many numbers it becomes."""
        return len(self.levels)

    def knows(self, value: Any) -> bool:
        """Say whether a value tells anything; a word that is no level is one of the others."""
        return isinstance(value, str)

    def numbers(self, value: Any) -> list[float]:
        """Return a value as the model takes it."""
        return [float(value == level) for level in self.levels]


Feature = Annotated[Number | Category, Field(discriminator="kind")]


def width(features: Sequence[Number | Category]) -> int:
    """Return how many numbers a context becomes, the constant among them."""
    return 1 + sum(feature.width for feature in features)


def vector(features: Sequence[Number | Category], context: Mapping[str, Any]) -> Floats:
    """Return a context as the model takes it, shaped (width,)."""
    numbers = [1.0]
    for feature in features:
        numbers += feature.numbers(context.get(feature.name))
    return np.array(numbers)


class Contextual(Rewarded):
    """A bandit that learns which arm earns more of which units: one linear model an arm."""

    kind: Literal["contextual"]
    arms: tuple[VersionArm, ...] = Field(min_length=2, max_length=20)
    features: tuple[Feature, ...] = Field(
        min_length=1,
        max_length=20,
        description="What tells units apart: values of the context, by the names under which the"
        " scored events carry them as features.",
    )
    floor: float = Field(0.01, ge=0, le=0.05, description="Chance no arm falls below.")
    burn_in_units: int = Field(100, ge=10, description="Rewards an arm before learning.")
    burn_in_conversions: int = Field(
        40, ge=0, description="Successes an arm before learning, where rewards are binary."
    )
    update_seconds: int = Field(3600, ge=1, le=86_400)

    @model_validator(mode="after")
    def _narrow(self) -> "Contextual":
        names = [feature.name for feature in self.features]
        if len(set(names)) < len(names):
            raise ValueError("two features have the same name")
        if UNIT in names:
            raise ValueError(f"{UNIT} names the unit, which is no feature")
        if width(self.features) > _WIDEST:
            raise ValueError(f"the features become more than {_WIDEST} numbers")
        return self

    @property
    def named(self) -> tuple[VersionArm, ...]:
        """The versions that the strategy names."""
        return self.arms

    def written(self) -> list[Written]:
        """Return the arms in their order, with the weights they begin with."""
        return [Written(arm.name, arm.model, arm.version, 1, {}) for arm in self.arms]
