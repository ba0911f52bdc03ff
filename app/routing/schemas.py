from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.routing.diversion import FALLBACK
from app.routing.rules import HOLDOUT
from app.routing.spec import Plan
from app.routing.tables import SeatRole


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


class BanditOut(BaseModel):
    decision_point: str
    plan_revision: int
    round: int = Field(description="0 while nothing has been learnt.")
    at: datetime | None
    weights: dict[str, int] = Field(description="Of 10,000.")
    learnt: dict[str, Any] | None = Field(
        description="P(best), expected loss and the evidence behind the weights."
    )
