from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from app.platform.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertTold(Event):
    """What every event of an alert says of it."""

    alert_id: UUID
    episode: int
    point: str
    point_id: UUID
    version_id: UUID
    model: str
    number: int
    subject: str
    kind: str
    severity: str
    worst: str
    """The most severe that it has been: who heard of that hears what becomes of it."""
    addressees: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRaised(AlertTold):
    """A variable, a metric or an agreed KPI has left its bounds for good."""

    type: ClassVar[str] = "drift.alert.raised"

    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertWorsened(AlertTold):
    """What stands is more severe than it was; whoever had acknowledged it is asked again."""

    type: ClassVar[str] = "drift.alert.worsened"

    before: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEased(AlertTold):
    """What stands is less severe than it was; whoever had acknowledged it need not again."""

    type: ClassVar[str] = "drift.alert.eased"

    before: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertAcknowledged(AlertTold):
    """Somebody looks at an alert."""

    type: ClassVar[str] = "drift.alert.acknowledged"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertResolved(AlertTold):
    """An alert is over, by itself or by somebody's word."""

    type: ClassVar[str] = "drift.alert.resolved"

    ending: str
