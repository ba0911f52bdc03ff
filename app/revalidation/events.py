from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from app.platform.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class RevalidationNotice(Event):
    """Somebody is told that a version in a seat is to be validated again."""

    version_id: UUID
    model: str
    number: int
    point: str
    due: datetime
    days_left: int
    addressees: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RevalidationDue(RevalidationNotice):
    """The day comes near."""

    type: ClassVar[str] = "revalidation.due"


@dataclass(frozen=True, slots=True, kw_only=True)
class RevalidationOverdue(RevalidationNotice):
    """The day has passed."""

    type: ClassVar[str] = "revalidation.overdue"


@dataclass(frozen=True, slots=True, kw_only=True)
class RevalidationEscalated(RevalidationNotice):
    """The day has long passed: the production committee is told."""

    type: ClassVar[str] = "revalidation.escalated"


@dataclass(frozen=True, slots=True, kw_only=True)
class _GapEvent(Event):
    version_id: UUID
    model: str
    number: int
    point: str
    signal: str
    addressees: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GapOpened(_GapEvent):
    """Telemetry that policy asks for does not arrive."""

    type: ClassVar[str] = "telemetry.gap.opened"

    asked: float
    found: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GapClosed(_GapEvent):
    """It arrives again, or nobody asks for it any more."""

    type: ClassVar[str] = "telemetry.gap.closed"

    closed_as: str
