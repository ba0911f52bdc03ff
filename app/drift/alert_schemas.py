from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.drift.alert_rules import (
    MOST_SILENT_HOURS,
    AlertKind,
    Ending,
    Severity,
    State,
)
from app.kit.input import Input
from app.kit.names import MOST, NAME


class AcknowledgeAlertIn(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"comment": "The feed's provider is being asked."}]},
    )

    comment: str = Field(min_length=1, max_length=2000)


class ResolveAlertIn(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "A unit was mistaken; it is right again."}]},
    )

    reason: str = Field(min_length=1, max_length=2000)


class EpisodeOut(BaseModel):
    episode: int = Field(description="Counted from 1: how often it has fired.")
    severity: Severity = Field(description="As it is, or was when it was over.")
    worst: Severity = Field(description="The most severe that it has been.")
    state: State
    since: datetime = Field(description="End of the window that made it last.")
    raised_at: datetime
    fired_at: datetime = Field(description="When it last began to fire, or to fire worse.")
    acknowledged_at: datetime | None
    acknowledged_by: UUID | None
    comment: str | None
    resolved_at: datetime | None
    resolved_by: UUID | None = Field(
        description="Null where it resolved by itself, or by a change that the log has."
    )
    ending: Ending | None = Field(
        description="lapsed: nothing looks at its subject any more, for the `reason` that is given."
    )
    reason: str | None


class AlertRowOut(EpisodeOut):
    id: UUID
    decision_point: str
    model: str
    version: int
    version_id: UUID
    kind: AlertKind
    subject: str = Field(description="The variable, the metric, or the KPI's key.")
    silenced: bool = Field(description="Whether a silence in force keeps it from being told.")


class EvidenceOut(BaseModel):
    since: datetime
    until: datetime
    n: int = Field(description="Events in the window.")
    variable: dict[str, Any] | None = Field(
        description="The subject's distances, if it is a variable; as the version's drift has them."
    )
    metric: dict[str, Any] | None = Field(
        description="Its value and promise, if it is a metric; or the change of its regime."
    )
    kpi: dict[str, Any] | None = Field(
        None, description="What it came to and what it was held against, if it is a KPI."
    )
    labelled: int
    accuracy: float | None
    degraded: bool | None
    matures_at: datetime | None = Field(
        None, description="Its labels are not judged before then; null where they are."
    )
    before: int | None = Field(
        None, description="Of a segment: rows of its own time before that it is compared with."
    )
    left_out: int | None = Field(
        None, description="Windows of that time which are left out, as it was beyond in them."
    )


class AlertDetailOut(AlertRowOut):
    said_until: datetime | None = Field(
        description="End of the newest window that could say anything of its subject."
    )
    silent: int = Field(
        description="Windows since: too few rows or labels, so they neither end it nor keep it."
    )
    episodes: list[EpisodeOut] = Field(description="The newest hundred, newest first.")
    evidence: list[EvidenceOut] = Field(
        description="The windows that made the newest episode last, newest first."
    )
    next: list[str] = Field(description="The calls that follow.")


class SilenceIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"subject": "x", "reason": "A known change of supplier.", "hours": 24}]
        },
    )

    decision_point: str | None = Field(None, pattern=NAME)
    model: str | None = Field(None, pattern=NAME)
    version: int | None = Field(None, ge=1, lt=MOST, description="Of the model, which is named.")
    kind: AlertKind | None = None
    subject: str | None = Field(None, min_length=1, max_length=500)
    reason: str = Field(min_length=1, max_length=2000)
    hours: int = Field(ge=1, le=MOST_SILENT_HOURS, description="From now, by the database's clock.")

    @model_validator(mode="after")
    def _of_a_model(self) -> Self:
        if self.version is not None and self.model is None:
            raise ValueError("a version is one of a model's: name the model")
        return self


class SilenceOut(BaseModel):
    id: UUID
    decision_point: str | None
    model: str | None
    version: int | None
    kind: AlertKind | None
    subject: str | None
    reason: str
    active: bool
    silenced_by: UUID
    at: datetime
    until: datetime
    ended_at: datetime | None
    ended_by: UUID | None
