"""Routing plans as they are written. Pure."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from app.kit.input import Input
from app.kit.names import MOST, NAME
from app.telemetry import REHEARSAL

MAX_WEIGHT = 1_000_000


class VersionArm(Input):
    model_config = ConfigDict(frozen=True)

    name: str = Field(pattern=r"^[a-z0-9_-]{1,40}$", description="Names the arm's evidence.")
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


class Champion(Input):
    """The champion answers everything."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["champion"] = "champion"


class Split(Input):
    """An A/B test: fixed weights."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["split"]
    arms: tuple[WeightedArm, ...] = Field(min_length=2, max_length=20)

    @model_validator(mode="after")
    def _weighted(self) -> "Split":
        if not any(arm.weight for arm in self.arms):
            raise ValueError("at least one arm needs a weight above 0")
        return self


class Bandit(Input):
    """A Thompson bandit: the worker moves the weights to the arm that earns more."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["bandit"]
    arms: tuple[VersionArm, ...] = Field(min_length=2, max_length=20)
    reward: Literal["binary", "continuous"] = Field(
        "binary", description="binary: a reward above 0 is a success."
    )
    floor: float = Field(0.01, ge=0, le=0.05, description="Share no arm falls below.")
    burn_in_units: int = Field(100, ge=0, description="Matured rewards an arm before learning.")
    burn_in_conversions: int = Field(40, ge=0, description="Successes an arm before learning.")
    update_seconds: int = Field(3600, ge=1, le=86_400)


Strategy = Annotated[Champion | Split | Bandit, Field(discriminator="kind")]


class Shadow(VersionArm):
    """Sees the traffic, decides nothing."""

    rate: float = Field(1.0, gt=0, le=1, description="Share of the decisions it sees.")


class Segment(Input):
    model_config = ConfigDict(frozen=True)

    name: str = Field("everyone", pattern=r"^[a-z0-9_-]{1,40}$")
    strategy: Strategy = Champion()


class Plan(Input):
    """Ordered segments and shadows. This release evaluates one segment: everyone."""

    model_config = ConfigDict(frozen=True)

    segments: tuple[Segment, ...] = Field((Segment(),), min_length=1, max_length=1)
    shadows: tuple[Shadow, ...] = Field((), max_length=10)

    @model_validator(mode="after")
    def _unique(self) -> "Plan":
        strategy = self.segments[0].strategy
        arms = () if isinstance(strategy, Champion) else strategy.arms
        watching = [(shadow.model, shadow.version) for shadow in self.shadows]
        if len(set(watching)) != len(watching):
            raise ValueError("one version shadows twice")
        for group in (arms, self.shadows):
            names = [arm.name for arm in group]
            if len(set(names)) != len(names):
                raise ValueError("two arms have the same name")
        return self

    def outweighs(self, model: str, version: int) -> bool:
        """Say whether a champion decides less than the others together, by what is written here.

        A bandit begins evenly and moves on evidence: it outweighs a champion who is none of it.
        """
        strategy = self.strategy
        if isinstance(strategy, Champion):
            return False
        mine = [arm for arm in strategy.arms if (arm.model, arm.version) == (model, version)]
        if isinstance(strategy, Bandit):
            return not mine
        total = sum(arm.weight for arm in strategy.arms)
        return 2 * sum(arm.weight for arm in mine if isinstance(arm, WeightedArm)) < total

    @property
    def strategy(self) -> Champion | Split | Bandit:
        """The strategy of the one segment."""
        return self.segments[0].strategy
