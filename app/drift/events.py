from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from app.platform.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRaised(Event):
    """A variable, or the accuracy, has left its bounds for good."""

    type: ClassVar[str] = "drift.alert.raised"

    point_id: UUID
    version_id: UUID
    subject: str
    kind: str
    until: datetime
