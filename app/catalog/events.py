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


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceMade(Event):
    """A version was set up for a segment."""

    type: ClassVar[str] = "catalog.instance.made"

    version_id: UUID
    model: str
    number: int
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceEnded(Event):
    """A version is no longer set up for a segment."""

    type: ClassVar[str] = "catalog.instance.ended"

    version_id: UUID
    model: str
    number: int
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionForked(Event):
    """A version was taken over into another model; it was published there as well."""

    type: ClassVar[str] = "catalog.version.forked"

    version_id: UUID
    model: str
    number: int
    origin_id: UUID
    origin_model: str
    origin_number: int
