from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from app.platform.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOpened(Event):
    """A validation, release or activation began."""

    type: ClassVar[str] = "gates.case.opened"

    case_id: UUID
    kind: str
    version_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalGiven(Event):
    """Somebody decided on a step."""

    type: ClassVar[str] = "gates.approval.given"

    case_id: UUID
    step: str
    approved: bool
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepJudged(Event):
    """A gate spoke."""

    type: ClassVar[str] = "gates.step.judged"

    case_id: UUID
    step: str
    passed: bool
    path: str | None
