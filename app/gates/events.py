from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from app.platform.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOpened(Event):
    """A validation, release or activation began."""

    type: ClassVar[str] = "gates.case.opened"

    case_id: UUID
    kind: str
    version_id: UUID
    addressees: tuple[UUID, ...]
    """Who was asked to validate it, if somebody was named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalGiven(Event):
    """Somebody decided on a step."""

    type: ClassVar[str] = "gates.approval.given"

    case_id: UUID
    step: str
    approved: bool
    by: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class StepJudged(Event):
    """A gate spoke."""

    type: ClassVar[str] = "gates.step.judged"

    case_id: UUID
    step: str
    passed: bool
    path: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalAsked(Event):
    """Somebody waits for approvals of a step."""

    type: ClassVar[str] = "gates.approval.asked"

    case_id: UUID
    step: str
    request_id: UUID
    by: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeAsked(Event):
    """An edit of something governed waits for approval."""

    type: ClassVar[str] = "gates.change.asked"

    change_id: UUID
    kind: str
    target: str
    by: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeApproved(Event):
    """An edit was approved; whoever owns the thing carries it out in the same transaction."""

    type: ClassVar[str] = "gates.change.approved"

    change_id: UUID
    kind: str
    target: str
    expected: int | None
    after: dict[str, Any]
    requester_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassBroken(Event):
    """In an emergency somebody went past a gate without approval; it must be reviewed."""

    type: ClassVar[str] = "gates.glass.broken"

    waiver_id: UUID
    case_id: UUID
    step: str
    by: UUID
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassReviewed(Event):
    """Somebody else said whether an emergency was one; what was not upheld is due at once."""

    type: ClassVar[str] = "gates.glass.reviewed"

    waiver_id: UUID
    version_id: UUID
    gate: str
    upheld: bool
    addressees: tuple[UUID, ...]
