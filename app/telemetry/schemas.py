from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.kit.input import Input
from app.kit.names import MOST
from app.telemetry.events import GREATEST, REHEARSED
from app.telemetry.reading import JSON_LINES
from app.telemetry.rows import ARROW

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


class BinsOut(BaseModel):
    name: str
    binning: str
    marks: list[float | str] = Field(
        description="Ascending edges (bin i holds marks[i-1] <= x < marks[i]), exact values, or"
        " categories: exact, where `bins` rounds."
    )
    rest: list[str] = Field(description="Categories that share the slot `other`.")


class LayoutOut(BaseModel):
    digest: str = Field(description="Names these bins: a profile counted elsewhere says it.")
    variables: list[BinsOut]


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
    layout: LayoutOut = Field(description="The exact bins, to count in elsewhere; score last.")


class SeriesOut(BaseModel):
    model: str
    version: int
    arm: str
    segment: str = Field(
        description="`state=NSW`; empty of the whole traffic, which includes it. `state=…` is of"
        " all values but the first 20, and of none."
    )
    events: int = Field(description="Events folded into profiles.")
    first_hour: datetime | None
    through: datetime | None = Field(description="Latest event hour folded.")
    labelled: int | None = Field(description="It and what follows: nothing of `figures=false`.")
    accuracy: float | None
    auc: float | None
    rewarded: int | None
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
    "required": ["at"],
    "additionalProperties": False,
    "properties": {
        "decision_id": {"type": ["string", "null"], "format": "uuid",
                        "description": "As the route call returned it; in a rehearsal, where"
                        " nothing was decided, the event's own id."},
        "event_id": {"type": ["string", "null"], "format": "uuid",
                     "description": "The sender's own name for the event, in place of its decision:"
                     " of an event that has come, or of one of this rehearsal."},
        "label": _NUMBER,
        "reward": {**_NUMBER, "description": "Business value."},
        "cost": {**_NUMBER, "description": "What the decision cost, in the currency of the KPIs."},
        "revision": {"type": ["integer", "null"], "minimum": 0, "maximum": 1_000_000,
                     "description": "Of what is corrected: the highest stands, 0 if none is said."
                     " What stood before is kept. A revision says all of it: what another system"
                     " adds is a higher one; other values under the same are refused."},
        "at": {"type": "string", "format": "date-time"},
    },
    "allOf": [
        {
            "anyOf": [
                {"required": [name], "properties": {name: {"type": ["number", "boolean"]}}}
                for name in ("label", "reward", "cost")
            ]
        },
        {
            "oneOf": [
                {"required": [name], "properties": {name: {"type": "string"}}}
                for name in ("decision_id", "event_id")
            ]
        },
    ],
}  # fmt: skip

TAKEN: dict[str, Any] = {
    "type": "object",
    "required": ["accepted", "duplicates", "rejected"],
    "properties": {
        "accepted": {"type": "integer", "description": "Committed by this call."},
        "duplicates": {"type": "integer", "description": "Committed before; not doubled."},
        "awaiting": {
            "type": "integer",
            "description": "Of outcomes that were accepted or are duplicates: of how many decisions"
            " there is no event. They count from when one comes; where none is on its way, and none"
            " is older than receipts are kept, the ids are wrong.",
        },
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
        "unknown_features": {
            "type": "object",
            "additionalProperties": {"type": "integer"},
            "description": "Of events: features that were stored though the version's signature"
            " does not name them, with the number of events; the 20 most frequent, the others"
            " together as …",
        },
        "invalid_features": {
            "type": "object",
            "additionalProperties": {"type": "integer"},
            "description": "Of events: inputs that should have been numbers and were not, likewise;"
            " their profiles count them as invalid.",
        },
    },
}


class UnknownFeature(BaseModel):
    name: str = Field(description="Its first 100 characters; … stands for all that came rarely.")
    events: int
    first_day: date
    last_day: date


class UnknownOut(BaseModel):
    model: str
    version: int
    days: int
    features: list[UnknownFeature] = Field(
        description="The most frequent first, the rare ones together last. Counted are the events"
        " that carried them."
    )


Days = Annotated[int, Field(ge=1, le=36_500)]


class RetentionIn(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"raw_days": 90, "receipt_days": 400}]}
    )

    raw_days: Days | None = Field(
        description="Raw events, which hold features and the unit's pseudonym, are deleted so many"
        " days after the day they came on (UTC); null: kept."
    )
    receipt_days: Days | None = Field(
        description="Receipts and outcomes are deleted so many days after their decision, and its"
        " events are refused from then on; null: kept. At least raw_days."
    )


class RetentionOut(BaseModel):
    raw_days: int | None
    receipt_days: int | None
    remembered_from: datetime | None = Field(
        description="Events of earlier decisions are refused: their receipts may be gone."
    )
    revision: int = Field(description="0 where nothing was set: everything is kept.")


class SubjectIn(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"unit": "customer-17"}]})

    unit: str = Field(
        min_length=1,
        max_length=256,
        description="As the application names it when it asks for a route.",
    )


class ErasedOut(BaseModel):
    pseudonym: str = Field(description="What stands in the audit log in place of the unit.")
    raw_events: int = Field(description="Raw events deleted by this call.")
    complete: bool = Field(
        description="Whether this call looked through all days; if not, a worker goes on. Whether"
        " nothing came meanwhile, GET /v1/subjects says."
    )


class ErasureOut(BaseModel):
    """A subject that was erased."""

    pseudonym: str = Field(description="As POST /v1/subjects:erase and the audit log name it.")
    at: datetime = Field(description="What was decided before is not kept.")
    complete: bool = Field(
        description="Whether a worker has looked through all days once more, after every process"
        " had heard: ten minutes later at the earliest."
    )


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
    lines = f"The {noun} alone, a JSON object a line; an index is the line's, empty ones left out."
    stream = (
        f"The {noun} as an Arrow IPC stream without compression, a column a field; features is a"
        " struct of the variables, a null was not sent, times have a zone."
    )
    return {
        "summary": summary,
        "description": "Bodies may be sent with Content-Encoding: gzip.",
        "parameters": [
            {
                "name": "atomic",
                "in": "query",
                "required": False,
                "schema": {"type": "boolean", "default": False},
                "description": "Store all or nothing: if anything is not acceptable, 422.",
            },
            *(
                {
                    "name": name,
                    "in": "query",
                    "required": False,
                    "schema": {k: v for k, v in one.items() if k != "description"},
                    "description": "Of a rehearsal, where the body does not name it.",
                }
                for name, one in schema["properties"].items()
                if name in REHEARSED
            ),
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": schema, "example": {noun: [example]}},
                JSON_LINES: {"schema": {"type": "string", "description": lines}},
                ARROW: {"schema": {"type": "string", "format": "binary", "description": stream}},
            },
        },
        "responses": {
            "200": {"description": "Committed.", **answer},
            "207": {"description": "Committed but for the rejected ones.", **answer},
        },
    }
