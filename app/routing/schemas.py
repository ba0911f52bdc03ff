from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.kit.input import Input
from app.routing.arms import CHAMPION
from app.routing.diversion import FALLBACK
from app.routing.promoting import Advice
from app.routing.ramping import Status
from app.routing.spec import Plan
from app.routing.tables import SeatRole
from app.telemetry import HOLDOUT


class PlanIn(Plan):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "segments": [
                        {
                            "strategy": {
                                "kind": "bandit",
                                "arms": [
                                    {"name": "incumbent", "model": "price", "version": 1},
                                    {"name": "challenger", "model": "price", "version": 2},
                                ],
                            }
                        }
                    ],
                    "shadows": [{"name": "rule", "model": "last-half-hour", "version": 1}],
                }
            ]
        }
    )

    @model_validator(mode="after")
    def _named(self) -> "PlanIn":
        arms = [arm.name for one in self.segments for arm in one.strategy.written()]
        names = {*arms, *(shadow.name for shadow in self.shadows)}
        drawn = {arm.name for one in self.experiments for arm in one.strategy.written()}
        if CHAMPION in drawn:
            raise ValueError(f"{CHAMPION!r} is who answers where a plan names nobody")
        if FALLBACK in names:
            raise ValueError(f"{FALLBACK!r} is who answers while a point is stopped")
        if HOLDOUT in names:
            raise ValueError(f"{HOLDOUT!r} is who answers those that a plan leaves alone")
        return self


class PlanOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    point_id: UUID
    revision: int
    spec: Plan
    digest: str
    author_id: UUID
    cause: str = Field(description="edited, activated, rolled_back, …")
    at: datetime
    stopped: bool = Field(
        description="A stop holds here: the fallback answers in place of all of the plan, or of"
        " some versions. GET …/stops says which."
    )


class SeatOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    version_id: UUID
    role: SeatRole
    endpoint: str | None
    case_id: UUID = Field(description="The activation that gave the seat.")
    cause: str
    since: datetime
    until: datetime | None
    stopped: bool = Field(description="A stop keeps it from deciding; GET …/stops says why.")


class GainOut(BaseModel):
    """More than the control a unit, turned so that more is better: 95 % at all looks together."""

    difference: float
    low: float
    high: float


class ArmOut(BaseModel):
    arm: str
    version_id: UUID
    parameters: dict[str, Any]
    weight: int = Field(description="As it stands now.")
    exposures: int = Field(description="Scored events since the experiment began.")
    units: int = Field(description="Different units; estimated by a sample where they are many.")
    rewarded: int = Field(description="Rewards that have come back.")
    design_effect: float = Field(
        description="How many rewards say as much as one of units that come once: those of a unit"
        " that comes again resemble each other. Errors, gains and chances go by it."
    )
    mean: float | None = Field(description="A reward.")
    standard_error: float | None
    p_best: float | None = Field(description="Null of a contextual bandit: means do not compare.")
    expected_loss: float | None = Field(description="Reward a unit lost if it were not the best.")
    gain: GainOut | None = Field(description="Null of the control, and while there are few.")


class OffPolicyOut(BaseModel):
    """What an arm would have earned a unit, had it answered all of them."""

    snips: float = Field(description="By inverse propensities, self-normalised.")
    snips_error: float
    robust: float = Field(description="With a model as well: right if either is.")
    robust_error: float
    effective: float = Field(description="Units that speak for it; nothing is said below 200.")


class GainThenOut(GainOut):
    arm: str
    until: datetime


class ExperimentRowOut(BaseModel):
    id: UUID
    decision_point: str
    segment: str
    strategy: str
    began: datetime
    until: datetime | None = Field(description="Null while it runs.")
    first_revision: int = Field(description="The plan that began it.")
    last_revision: int | None = Field(description="The last plan that went on with it.")
    concluded: bool = Field(
        description="It has ended, its last rewards could have come back, and what it had come to"
        " is written down."
    )


class ExperimentOut(ExperimentRowOut):
    reward: str
    better: str
    since: datetime = Field(
        description="Since when the same units have come to it: of a ramp, its present step."
    )
    control: str = Field(description="The champion's arm; the first, if he has none.")
    arms: list[ArmOut]
    over_time: list[GainThenOut] = Field(description="By the end of each day.")
    mismatch_p: float | None = Field(
        description="How likely the arms' units are under the plan's weights; below 0.0005 nothing"
        " is promoted. Null of a bandit, where units keep arms of other weights, and of few."
    )
    off_policy: dict[str, OffPolicyOut | None] | None = Field(
        description="By arm, of bandits alone, whose shares follow what is seen: of the newest"
        " 20,000 decisions. Null of an arm for which too little speaks."
    )
    regret: float | None = Field(
        description="What all rewards lack to the best arm's; below 0 where choosing by context"
        " earned more than any arm alone."
    )
    best: str | None = Field(
        description="Of a contextual bandit, alone; null if too little is known."
    )
    advice: Advice
    lacking: list[str] = Field(description="Why the best arm is not to be promoted yet.")
    next: str | None = Field(description="The call that follows.")


class ExperimentsOut(BaseModel):
    decision_point: str
    plan_revision: int
    experiments: list[ExperimentOut] = Field(description="In the order of the plan's segments.")


class RoundOut(BaseModel):
    plan_revision: int
    round: int = Field(description="Counted from 1: the plan as it was written.")
    at: datetime
    weights: dict[str, int] = Field(
        description="Of the arms that the worker moves: of 10,000 a segment."
    )
    segments: dict[str, dict[str, Any]] = Field(
        description="By segment: since when its evidence counts, and what was found: of a bandit"
        " P(best), expected loss and the evidence behind the weights, of a contextual one its"
        " models' centres and of how many rows each feature was `missing`, of a ramp its position."
    )


class RampOut(BaseModel):
    decision_point: str
    segment: str
    plan_revision: int
    arm: str
    model: str
    version: int
    control: str = Field(description="The champion's arm.")
    status: Status = Field(
        description="holding: by itself, something speaks against the next step; held: by a person."
    )
    step: int = Field(description="Counted from 1.")
    steps: list[float] = Field(description="Percent of the segment's units.")
    percent: float = Field(description="What the arm has now.")
    since: datetime = Field(description="Since when it has had that.")
    rewarded: dict[str, float] = Field(description="Rewards since then, by arm.")
    means: dict[str, float | None] = Field(description="Reward a unit since then, by arm.")
    why: list[str] = Field(description="What it waits for, or why it stands.")


class RampReasonIn(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "Complaints came in."}]})

    reason: str = Field(min_length=1, max_length=2000)
