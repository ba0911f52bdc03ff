from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

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


class PlanOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    point_id: UUID
    revision: int
    spec: Plan
    digest: str
    author_id: UUID
    cause: str = Field(description="edited, activated, rolled_back, …")
    at: datetime


class SeatOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    version_id: UUID
    role: SeatRole
    endpoint: str | None
    case_id: UUID = Field(description="The activation that gave the seat.")
    cause: str
    since: datetime
    until: datetime | None


class BanditOut(BaseModel):
    decision_point: str
    plan_revision: int
    round: int = Field(description="0 while nothing has been learnt.")
    at: datetime | None
    weights: dict[str, int] = Field(description="Of 10,000.")
    learnt: dict[str, Any] | None = Field(
        description="P(best), expected loss and the evidence behind the weights."
    )


_ARM: dict[str, Any] = {
    "arm": {"type": "string"},
    "model": {"type": "string"},
    "version": {"type": "integer"},
    "version_id": {"type": "string", "format": "uuid"},
    "endpoint": {"type": ["string", "null"]},
    "parameters": {"type": "object"},
    "propensity": {"type": "number"},
    "token": {"type": "string", "description": "Send it back with the scored event."},
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
