"""Strategies whose weights the worker moves: by what arms earn, or step by step. Pure."""

from itertools import pairwise
from typing import Literal

from pydantic import Field, field_validator, model_validator

from app.routing.arms import WORD, Rewarded, VersionArm, Written

EVERYBODY = 10_000
"""All weights of an adaptive segment together."""
MAX_REWARDS = 10_000_000
_ALL = 100.0
_ROUNDING = 1e-6


class Bandit(Rewarded):
    """A Thompson bandit: the worker moves the weights to the arm that earns more."""

    kind: Literal["bandit"]
    arms: tuple[VersionArm, ...] = Field(min_length=2, max_length=20)
    floor: float = Field(0.01, ge=0, le=0.05, description="Share no arm falls below.")
    burn_in_units: int = Field(100, ge=0, description="Matured rewards an arm before learning.")
    burn_in_conversions: int = Field(40, ge=0, description="Successes an arm before learning.")
    update_seconds: int = Field(3600, ge=1, le=86_400)
    half_life_hours: int | None = Field(
        None,
        ge=1,
        le=24 * 365,
        description="After so long a reward counts half, after twice as long a quarter: for a"
        " world that changes. Null: all count alike.",
    )
    top_two: bool = Field(
        False,
        description="Half of the units go to the best of the others: tells many arms apart sooner"
        " and earns less meanwhile. Of two arms each has half.",
    )

    @property
    def named(self) -> tuple[VersionArm, ...]:
        """The versions that the strategy names."""
        return self.arms

    def written(self) -> list[Written]:
        """Return the arms in their order, with the weights they begin with."""
        return [Written(arm.name, arm.model, arm.version, 1, {}) for arm in self.arms]


class Ramp(Rewarded):
    """One version brought in step by step, held or rolled back by what it earns."""

    kind: Literal["ramp"]
    arm: VersionArm
    control: str = Field(
        "control", pattern=WORD, description="Names the arm of the champion, who has the others."
    )
    steps: tuple[float, ...] = Field(
        (1, 5, 10, 25, 50),
        min_length=1,
        max_length=20,
        description="Percent of the segment's units, rising; who is brought in once stays in. At"
        " 100 nobody is left to compare with: guardrails alone judge there.",
    )
    step_minutes: int = Field(1440, ge=1, le=60 * 24 * 90, description="A step lasts so long.")
    min_rewards: int = Field(
        100, ge=100, le=MAX_REWARDS, description="Of each arm, before the next step."
    )
    tolerance: float = Field(
        0.0, ge=0, le=1, description="Loss that is put up with: a share of the champion's mean."
    )

    @field_validator("steps")
    @classmethod
    def _rising(cls, steps: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < step <= _ALL for step in steps):
            raise ValueError("a step is above 0 and at most 100 percent")
        exact = [step * EVERYBODY / _ALL for step in steps]
        if any(abs(share - round(share)) > _ROUNDING or round(share) < 1 for share in exact):
            raise ValueError("a step is a whole number of hundredths of a percent")
        if any(round(low) >= round(high) for low, high in pairwise(exact)):
            raise ValueError("each step is above the one before it")
        return steps

    @model_validator(mode="after")
    def _told_apart(self) -> "Ramp":
        if self.arm.name == self.control:
            raise ValueError("the arm and the control have the same name")
        return self

    @property
    def named(self) -> tuple[VersionArm, ...]:
        """The versions that the strategy names."""
        return (self.arm,)

    def written(self) -> list[Written]:
        """Return the arms in their order, with the weights they begin with."""
        return self.at(self.steps[0])

    def at(self, percent: float) -> list[Written]:
        """Return the arms as they are when so many units are brought in.

        Who is brought in comes first: as his share grows he keeps the units he has.
        """
        share = round(percent * EVERYBODY / _ALL)
        return [
            Written(self.arm.name, self.arm.model, self.arm.version, share, {}),
            Written(self.control, None, None, EVERYBODY - share, {}),
        ]
