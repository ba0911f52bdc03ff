from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from app.platform.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRegistered(Event):
    """A version was published."""

    type: ClassVar[str] = "catalog.version.published"

    version_id: UUID
    model: str
    number: int
