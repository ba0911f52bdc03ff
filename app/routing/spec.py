"""Routing plans as they are written. Pure."""

from collections import Counter
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from app.kit.input import Input
from app.kit.names import NAME
from app.routing.arms import MAX_WEIGHT, WORD, VersionArm, WeightedArm
from app.routing.conditions import BadConditionError, compile_condition
from app.routing.strategies import (
    Bandit,
    Champion,
    Contextual,
    Multivariate,
    Ramp,
    Split,
    Strategy,
)

__all__ = [
    "EVERYTHING",
    "MAX_WEIGHT",
    "Bandit",
    "Champion",
    "Contextual",
    "Holdout",
    "Layer",
    "Multivariate",
    "Plan",
    "Ramp",
    "Segment",
    "Shadow",
    "Split",
    "Staleness",
    "VersionArm",
    "WeightedArm",
]

EVERYTHING = 10_000
"""A layer's units, all together."""


class Shadow(VersionArm):
    """Sees the traffic, decides nothing."""

    rate: float = Field(1.0, gt=0, le=1, description="Share of the decisions it sees.")


class Layer(Input):
    """A share of the units, the same ones wherever the layer is named.

    Experiments of one layer with shares beside each other have no unit in common.
    """

    model_config = ConfigDict(frozen=True)

    name: str = Field(pattern=WORD)
    begin: int = Field(0, ge=0, lt=EVERYTHING, description="Of 10,000.")
    end: int = Field(EVERYTHING, gt=0, le=EVERYTHING, description="Of 10,000; not in the share.")

    @model_validator(mode="after")
    def _share(self) -> "Layer":
        if self.begin >= self.end:
            raise ValueError("the share ends behind its beginning")
        return self


class Holdout(Input):
    """A random share of the units that the plan leaves alone, to tell what it is worth."""

    model_config = ConfigDict(frozen=True)

    rate: float = Field(gt=0, le=0.2, description="Share of the units, over all segments.")


class Staleness(Input):
    """How old the table may be, and what then, where the last good plan must not go on for ever.

    A process that cannot see the database cannot see a stop either.
    """

    model_config = ConfigDict(frozen=True)

    after_seconds: int = Field(ge=10, le=30 * 86_400)
    then: Literal["fallback", "deny"] = Field(
        "fallback",
        description="fallback: what is declared to stand in answers; deny, and where there is"
        " none: the call is answered 503.",
    )


class Segment(Input):
    model_config = ConfigDict(frozen=True)

    name: str = Field("everyone", pattern=WORD)
    when: Any = Field(
        None,
        description="JSONLogic over the context, in flagd's dialect; null: everyone. `var` names"
        " a value of the context, `targetingKey` the unit.",
        examples=[{"==": [{"var": "region"}, "vic"]}],
    )
    layer: Layer | None = Field(None, description="Takes only its share of a layer's units.")
    salt: str | None = Field(
        None,
        pattern=WORD,
        description="Shuffles the units anew: they keep their arms as long as it stands. Without"
        " one they are shuffled by the decision point's key.",
    )
    instance: str | None = Field(
        None,
        pattern=NAME,
        description="Whoever answers does so as its instance of this key, with its endpoint and"
        " parameters: for a region of its own. It outlives a swap, unless it is of a layer.",
    )
    sticky: bool = Field(
        False,
        description="A unit whose last token is sent along keeps its arm as long as that is there,"
        " whatever became of the weights. A new salt shuffles it nevertheless.",
    )
    strategy: Strategy = Champion()

    @model_validator(mode="after")
    def _keeping(self) -> "Segment":
        if self.sticky and isinstance(self.strategy, Champion | Ramp):
            kind = self.strategy.kind
            raise ValueError(f"a {kind} strategy is not sticky: it keeps who it has by itself")
        return self

    @field_validator("when")
    @classmethod
    def _evaluated(cls, when: Any) -> Any:
        if when is not None:
            try:
                compile_condition(when)
            except BadConditionError as error:
                raise ValueError(str(error)) from error
        return when

    @property
    def total(self) -> bool:
        """Whether it takes every unit that comes to it."""
        return self.when is None and self.layer is None


class Plan(Input):
    """Ordered segments and shadows: the first segment that takes a unit answers for it."""

    model_config = ConfigDict(frozen=True)

    segments: tuple[Segment, ...] = Field(
        (Segment(),),
        min_length=1,
        max_length=20,
        description="The last one has neither `when` nor `layer`: it takes all who are left.",
    )
    holdout: Holdout | None = Field(
        None, description="These units are answered by the fallback, whatever their segment is."
    )
    shadows: tuple[Shadow, ...] = Field((), max_length=10)
    staleness: Staleness | None = Field(
        None, description="Without one the last good plan goes on, and says how old it is."
    )

    @model_validator(mode="after")
    def _total(self) -> "Plan":
        *others, last = self.segments
        if not last.total:
            raise ValueError("the last segment takes all who are left: without when and layer")
        for segment in others:
            if segment.total:
                raise ValueError(f"no unit gets past segment {segment.name!r}, which takes all")
        return self

    @model_validator(mode="after")
    def _unique(self) -> "Plan":
        watching = [(shadow.model, shadow.version) for shadow in self.shadows]
        if len(set(watching)) != len(watching):
            raise ValueError("one version shadows twice")
        arms = [arm.name for segment in self.experiments for arm in segment.strategy.written()]
        # An arm's evidence has its name, whatever segment it came from.
        for kind, names in (
            ("arms", arms),
            ("arms", [shadow.name for shadow in self.shadows]),
            ("segments", [segment.name for segment in self.segments]),
        ):
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise ValueError(f"two {kind} have the same name: {twice[0]!r}")
        return self

    def outweighs(self, model: str, version: int) -> bool:
        """Say whether some segment's champion decides less than the others there together.

        Under other parameters than he was activated with he is one of the others. By what is
        written here: a bandit begins evenly and moves on evidence, it outweighs a champion who is
        none of it; a ramp counts by where it ends.
        """
        held = self.holdout.rate if self.holdout is not None else 0.0
        return any(_outweighs(one.strategy, model, version, held) for one in self.segments)

    @property
    def altering(self) -> bool:
        """Whether units are answered in a way that no activation was asked about."""
        return self.holdout is not None or self.parameterised

    @property
    def parameterised(self) -> bool:
        """Whether some arm answers under other parameters than its version was activated with."""
        return bool(self.pinned) or any(
            arm.parameters and arm.weight
            for segment in self.segments
            for arm in segment.strategy.written()
        )

    @property
    def named(self) -> tuple[VersionArm, ...]:
        """The versions that the plan lets decide, beside the champion."""
        return tuple(arm for segment in self.segments for arm in segment.strategy.named)

    @property
    def pinned(self) -> frozenset[str]:
        """The instances that segments are answered by."""
        return frozenset(one.instance for one in self.segments if one.instance is not None)

    def strategy_of(self, arm: str) -> str:
        """Return the kind of strategy that an arm came from; else that of whoever is left."""
        for segment in self.segments:
            if any(written.name == arm for written in segment.strategy.written()):
                return segment.strategy.kind
        return self.segments[-1].strategy.kind

    @property
    def experiments(self) -> tuple[Segment, ...]:
        """The segments whose arms are compared with each other."""
        return tuple(one for one in self.segments if not isinstance(one.strategy, Champion))

    def same_units(self, other: "Plan", name: str) -> bool:
        """Say whether by another plan the same units come to a segment, and are shared out alike.

        What stands before it, and the holdout, decide who comes to it; what stands behind does not.
        """
        mine, its = self.upto(name), other.upto(name)
        return mine == its and self.holdout == other.holdout

    def upto(self, name: str) -> tuple[Segment, ...]:
        """Return a segment and those before it; nothing of a segment that the plan has not."""
        names = [segment.name for segment in self.segments]
        return self.segments[: names.index(name) + 1] if name in names else ()


def _outweighs(strategy: Strategy, model: str, version: int, held: float) -> bool:
    ended = strategy.at(strategy.steps[-1]) if isinstance(strategy, Ramp) else None
    arms, champion = ended or strategy.written(), (model, version)
    mine = [
        arm
        for arm in arms
        if (arm.model is None or (arm.model, arm.version) == champion) and not arm.parameters
    ]
    if isinstance(strategy, Bandit | Contextual):
        return not mine
    left = (1 - held) * sum(arm.weight for arm in mine)
    return 2 * left < sum(arm.weight for arm in arms)
