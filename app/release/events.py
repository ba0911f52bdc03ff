from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from app.platform.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionMoved(Event):
    """A version took a step in its life."""

    type: ClassVar[str] = "release.version.moved"

    version_id: UUID
    source: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionReturned(Event):
    """A version went back to a development step."""

    type: ClassVar[str] = "release.version.returned"

    version_id: UUID
    model: str
    number: int
    path: str
    returned_to: str
    addressees: tuple[UUID, ...]
    """Who owns the model, and who developed the version."""
    hand_back_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureOpened(Event):
    """A model is to be tuned, trained or built anew."""

    type: ClassVar[str] = "release.procedure.opened"

    procedure_id: UUID
    kind: str
    version_id: UUID
    model: str
    number: int
    addressees: tuple[UUID, ...]
    """Who developed the version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureClosed(Event):
    """A procedure was concluded, or given up."""

    type: ClassVar[str] = "release.procedure.closed"

    procedure_id: UUID
    result: str
    version_id: UUID
    result_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationTested(Event):
    """An endpoint was called as its contract cases have it."""

    type: ClassVar[str] = "release.integration.tested"

    case_id: UUID
    operation_id: UUID
    cases: int
    failures: int
    p99_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationEnded(Event):
    """Work that was asked for came to its end, or to where somebody else has to act."""

    type: ClassVar[str] = "release.operation.ended"

    operation_id: UUID
    kind: str
    state: str
