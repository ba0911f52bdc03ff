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
    addressees: tuple[UUID, ...] = ()
    """Who owns the model, and who developed the version."""
