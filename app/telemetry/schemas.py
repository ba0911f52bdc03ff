from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.kit.input import Input
from app.kit.names import MOST
from app.telemetry.events import GREATEST, REHEARSED

Value = float | int | str | bool | None


class BaselineIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"columns": {"demand": [0.43, 0.41], "score": [0.7, 0.2], "label": [1, 0]}}
            ]
        },
    )

    columns: dict[str, list[Value]] = Field(
        description="Each input's values; `score` and `label` too if there are any. The same"
        " columns may be sent as a Parquet file (application/vnd.apache.parquet)."
    )


class VariableBins(BaseModel):
    name: str
    binning: str
    bins: list[str] = Field(description="Each slot in words.")
    counts: list[int]


class InheritedOut(BaseModel):
    model: str
    version: int


class BaselineOut(BaseModel):
    version_id: UUID
    rows: int
    reference: dict[str, float] | None = Field(
        description="Accuracy, its spread and rows, if scores and labels were sent."
    )
    metrics: dict[str, dict[str, float]] = Field(
        description="Each metric that scores and labels say: `value`, `standard_error`, `rows`, and"
        " `sigma`, how it wanders by itself."
    )
    digest: str
    inherited_from: InheritedOut | None = Field(
        description="Of a fork: the version whose baseline it was given."
    )
    created_at: datetime
    variables: list[VariableBins]


class SeriesOut(BaseModel):
    model: str
    version: int
    arm: str
    events: int = Field(description="Events folded into profiles.")
    first_hour: datetime | None
    through: datetime | None = Field(description="Latest event hour folded.")
    labelled: int
    accuracy: float | None
    auc: float | None
    rewarded: int
    mean_reward: float | None


class TelemetryOut(BaseModel):
    decision_point: str
    stored_events: int = Field(description="Scored events stored, rehearsals left out.")
    waiting_deltas: int = Field(description="Profile deltas the worker has not folded yet.")
    waiting_outcomes: int = Field(
        description="Outcomes of the tenant, here or elsewhere, that the worker has not joined yet."
    )
    series: list[SeriesOut]


_NUMBER: dict[str, Any] = {
    "type": ["number", "boolean", "null"],
    "minimum": -GREATEST,
    "maximum": GREATEST,
}

EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["at"],
    "additionalProperties": False,
    "properties": {
        "event_id": {"type": ["string", "null"], "format": "uuid",
                     "description": "Your name for the event; sent again it is a duplicate. A"
                     " rehearsal needs one; elsewhere the token is name enough."},
        "token": {"type": ["string", "null"], "description": "As the route call returned it."},
        "at": {"type": "string", "format": "date-time"},
        "features": {"type": ["object", "null"],
                     "additionalProperties": {"type": ["number", "string", "boolean", "null"]}},
        "score": _NUMBER,
        "prediction": _NUMBER,
        "latency_ms": _NUMBER,
    },
}  # fmt: skip

OUTCOME: dict[str, Any] = {
    "type": "object",
    "required": ["decision_id", "at"],
    "additionalProperties": False,
    "properties": {
        "decision_id": {"type": "string", "format": "uuid"},
        "label": _NUMBER,
        "reward": {**_NUMBER, "description": "Business value."},
        "cost": {**_NUMBER, "description": "What the decision cost, in the currency of the KPIs."},
        "revision": {"type": ["integer", "null"], "minimum": 0, "maximum": 1_000_000,
                     "description": "Of what is corrected: the highest stands, 0 if none is said."
                     " What stood before is kept."},
        "at": {"type": "string", "format": "date-time"},
    },
    "anyOf": [
        {"required": [name], "properties": {name: {"type": ["number", "boolean"]}}}
        for name in ("label", "reward", "cost")
    ],
}  # fmt: skip

TAKEN: dict[str, Any] = {
    "type": "object",
    "required": ["accepted", "duplicates", "rejected"],
    "properties": {
        "accepted": {"type": "integer", "description": "Committed by this call."},
        "duplicates": {"type": "integer", "description": "Committed before; not doubled."},
        "rejected": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["index", "code", "detail"],
                "properties": {
                    "index": {"type": "integer"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


def batch_operation(noun: str, item: dict[str, Any], example: Any, summary: str) -> dict[str, Any]:
    """Return the OpenAPI operation of a hot batch route."""
    schema: dict[str, Any] = {
        "type": "object",
        "required": [noun],
        "properties": {noun: {"type": "array", "minItems": 1, "maxItems": 10_000, "items": item}},
        "additionalProperties": False,
    }
    schema["properties"] |= {
        "model": {"type": "string", "description": "Of a rehearsal only."},
        "version": {
            "type": "integer",
            "minimum": 1,
            "exclusiveMaximum": MOST,
            "description": "Of a rehearsal only.",
        },
        "decision_point": {"type": "string", "description": "Of a rehearsal only."},
    }
    schema["dependentRequired"] = {name: sorted(REHEARSED - {name}) for name in sorted(REHEARSED)}
    answer = {"content": {"application/json": {"schema": TAKEN}}}
    return {
        "summary": summary,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "example": {noun: [example]}}},
        },
        "responses": {
            "200": {"description": "Committed.", **answer},
            "207": {"description": "Committed but for the rejected ones.", **answer},
        },
    }
