from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from app.platform.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentOpened(Event):
    """Something is wrong at a target."""

    type: ClassVar[str] = "activation.incident.opened"

    incident_id: UUID
    kind: str
    severity: str
    point: str
    target: str
    version_id: UUID
    blocks: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentAcknowledged(Event):
    """Somebody looks at an incident."""

    type: ClassVar[str] = "activation.incident.acknowledged"

    incident_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentResolved(Event):
    """An incident is over."""

    type: ClassVar[str] = "activation.incident.resolved"

    incident_id: UUID
    kind: str
    by_itself: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapPrepared(Event):
    """The first phase of a swap ended."""

    type: ClassVar[str] = "activation.swap.prepared"

    case_id: UUID
    preparation_id: UUID
    ready: bool
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOff(Event):
    """The production team was handed a version."""

    type: ClassVar[str] = "activation.hand_off.given"

    case_id: UUID
    hand_off_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOffAccepted(Event):
    """The production team took a version over."""

    type: ClassVar[str] = "activation.hand_off.accepted"

    case_id: UUID
    hand_off_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberLost(Event):
    """What is inside of an ensemble in a seat was sent back, or retired."""

    type: ClassVar[str] = "activation.ensemble.member_lost"

    point: str
    role: str
    version_id: UUID
    model: str
    number: int
    member_id: UUID
    stage: str
    addressees: tuple[UUID, ...]
    """Who owns the point and the ensemble's model, and who developed the ensemble."""
