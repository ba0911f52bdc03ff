from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.routing.diversion import FALLBACK
from app.routing.spec import Champion, Plan
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
        strategy = self.strategy
        arms = () if isinstance(strategy, Champion) else strategy.arms
        if any(arm.name == FALLBACK for arm in (*arms, *self.shadows)):
            raise ValueError(f"{FALLBACK!r} is who answers while a point is stopped")
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


_OF_NO_MODEL = "Null where a constant answers."
_ARM: dict[str, Any] = {
    "arm": {"type": "string", "description": "`fallback`: what stands in for what is stopped."},
    "model": {"type": ["string", "null"], "description": _OF_NO_MODEL},
    "version": {"type": ["integer", "null"], "description": _OF_NO_MODEL},
    "version_id": {"type": ["string", "null"], "format": "uuid", "description": _OF_NO_MODEL},
    "endpoint": {"type": ["string", "null"]},
    "parameters": {"type": "object"},
    "propensity": {"type": "number"},
    "token": {
        "type": ["string", "null"],
        "description": "Send it back with the scored event; null where a constant answers.",
    },
}
_IN_A_STOP: dict[str, Any] = {
    "stopped": {
        "type": "boolean",
        "const": True,
        "description": "There only while a stop holds for this unit's arm.",
    },
    "stop_id": {"type": "string", "format": "uuid", "description": "Beside `stopped`: which."},
    "constant": {"description": "Beside `stopped`: the answer itself, where it is a constant."},
}

ROUTE_OPERATION: dict[str, Any] = {
    "summary": "Which version answers for this unit?",
    "description": "Every call is a decision of its own; an Idempotency-Key changes nothing."
    " What is decided twice counts once if only one of its tokens comes back with an event.",
    "tags": ["routing"],
    "security": [{"HTTPBearer": []}],
    "parameters": [{"name": "key", "in": "path", "required": True, "schema": {"type": "string"}}],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["unit"],
                    "additionalProperties": False,
                    "properties": {
                        "unit": {
                            "type": "string",
                            "minLength": 1,
                            "maxLength": 256,
                            "description": "Who or what is decided about; the same unit keeps"
                            " its arm while the weights stand.",
                        },
                        "context": {"type": "object"},
                    },
                },
                "example": {"unit": "customer-4711"},
            }
        },
    },
    "responses": {
        "200": {
            "description": "The decision.",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["decision_id", "arm", "model", "version", "token"],
                        "properties": {
                            "decision_id": {"type": "string", "format": "uuid"},
                            "decision_point": {"type": "string"},
                            **_ARM,
                            **_IN_A_STOP,
                            "shadows": {
                                "type": "array",
                                "items": {"type": "object", "properties": _ARM},
                            },
                            "plan_revision": {"type": "integer"},
                            "generation": {"type": "integer"},
                            "age_ms": {
                                "type": "integer",
                                "description": "Since the table was last known to be current.",
                            },
                        },
                    }
                }
            },
        }
    },
}
