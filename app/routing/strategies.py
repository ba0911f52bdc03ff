"""Strategies: how the units of a segment are shared out among versions. Pure."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from app.kit.input import Input
from app.routing.adaptive import Bandit, Ramp
from app.routing.arms import CHAMPION, Rewarded, VersionArm, WeightedArm, Written
from app.routing.contexts import Contextual
from app.routing.factors import Multivariate

__all__ = ["Bandit", "Champion", "Contextual", "Multivariate", "Ramp", "Split", "Strategy"]


class Champion(Input):
    """The champion answers everything."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["champion"] = "champion"

    @property
    def named(self) -> tuple[VersionArm, ...]:
        """The versions that the strategy names."""
        return ()

    def written(self) -> list[Written]:
        """Return the arms in their order, with the weights they begin with."""
        return [Written(CHAMPION, None, None, 1, {})]


class Split(Rewarded):
    """An A/B test: fixed weights."""

    kind: Literal["split"]
    arms: tuple[WeightedArm, ...] = Field(min_length=2, max_length=20)

    @model_validator(mode="after")
    def _weighted(self) -> "Split":
        if not any(arm.weight for arm in self.arms):
            raise ValueError("at least one arm needs a weight above 0")
        return self

    @property
    def named(self) -> tuple[VersionArm, ...]:
        """The versions that the strategy names."""
        return self.arms

    def written(self) -> list[Written]:
        """Return the arms in their order, with the weights they begin with."""
        return [Written(arm.name, arm.model, arm.version, arm.weight, {}) for arm in self.arms]


Strategy = Annotated[
    Champion | Split | Multivariate | Bandit | Contextual | Ramp, Field(discriminator="kind")
]
