from datetime import datetime
from typing import Annotated, Any, Self, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.kit.input import Input, optional
from app.kit.names import NAME
from app.notifications.alert_filter import Kind, Severity
from app.notifications.rules import EVERYTHING, TYPE, Disabled, State

EventType = Annotated[str, StringConstraints(pattern=TYPE, max_length=200)]
Point = Annotated[str, StringConstraints(pattern=NAME)]


class EventOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(description="The CloudEvent's id; the same on every reading.")
    type: str = Field(examples=["activation.champion.changed"])
    at: datetime
    data: dict[str, Any] = Field(
        description="Its facts; `addressees`, where there are, are people with id and name."
    )


class AlertsIn(Input):
    severity: Severity = Field("notice", description="From which one on.")
    kinds: list[Kind] | None = Field(
        None, min_length=1, max_length=len(get_args(Kind)), description="Null: of all kinds."
    )
    points: list[Point] | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="Keys of decision points that there are already; null: of all, later ones too.",
    )


class WebhookIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "url": "https://hooks.example.com/modelward",
                    "types": ["release.*", "drift.alert.*"],
                    "description": "The operators' channel.",
                    "alerts": {"severity": "warning", "kinds": ["business", "mathematical"]},
                }
            ]
        },
    )

    url: str = Field(
        min_length=1, max_length=2000, description="Where events are POSTed: https, and public."
    )
    types: list[EventType] = Field(
        default_factory=lambda: [EVERYTHING],
        min_length=1,
        max_length=50,
        description="Types of events, `release.*` for all that begin so, `*` for all.",
    )
    description: str = Field("", max_length=500)
    alerts: AlertsIn = Field(
        default_factory=AlertsIn,
        description="Of alerts (`drift.alert.*`) only these; of everything else all.",
    )


class WebhookPatch(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"active": True}], "minProperties": 1}
    )

    url: str = optional(min_length=1, max_length=2000)
    types: list[EventType] = optional(min_length=1, max_length=50)
    description: str = optional(max_length=500)
    alerts: AlertsIn = optional()
    active: bool = optional(
        description="What is switched on again goes on where it stopped: nothing is left out."
    )

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("name at least one field to change")
        return self


class WebhookOut(BaseModel):
    id: UUID
    url: str = Field(description="In full for who manages webhooks; for others its host alone.")
    types: list[str]
    description: str
    alerts: AlertsIn
    active: bool
    disabled: Disabled | None = Field(
        description="Why the server switched it off: it answered 410, or nothing for days."
    )
    failures: int = Field(description="Attempts in a row that failed.")
    failing_since: datetime | None
    resume_at: datetime | None = Field(description="It is left alone until then.")
    revision: int
    created_at: datetime


class WebhookWithSecretOut(WebhookOut):
    secret: str = Field(
        description="Signs its messages, as Standard Webhooks says; shown this once.",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )


class RotateIn(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"overlap_hours": 24}]})

    overlap_hours: int = Field(
        24, ge=0, le=168, description="So long messages carry both signatures; 0: not at all."
    )


class DeliveryOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    event_id: UUID = Field(description="The `webhook-id`, the same at every attempt.")
    type: str
    state: State
    attempts: int
    code: int | None = Field(description="Status of the last answer.")
    error: str | None = Field(description="Why there was no answer.")
    due_at: datetime = Field(description="When it is, or was last, to be tried.")
    tried_at: datetime | None
    at: datetime
