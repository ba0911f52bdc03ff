from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from app.platform.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ChampionChanged(Event):
    """Another version answers at a decision point."""

    type: ClassVar[str] = "routing.champion.changed"

    point: str
    version_id: UUID
    previous_id: UUID | None
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChanged(Event):
    """A decision point's routing plan has a new revision."""

    type: ClassVar[str] = "routing.plan.changed"

    point: str
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PointStopped(Event):
    """The fallback answers at a decision point, for everything or for one version."""

    type: ClassVar[str] = "routing.point.stopped"

    point: str
    stop_id: UUID
    version_id: UUID | None
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PointResumed(Event):
    """A stop is over; another one may still hold."""

    type: ClassVar[str] = "routing.point.resumed"

    point: str
    stop_id: UUID
    version_id: UUID | None
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackChanged(Event):
    """Something else is to answer while a decision point is stopped."""

    type: ClassVar[str] = "routing.fallback.changed"

    point: str
    revision: int
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RampMoved(Event):
    """A ramp went on, holds, or has been rolled back: by itself or by hand."""

    type: ClassVar[str] = "routing.ramp.moved"

    point: str
    segment: str
    model: str
    version: int
    status: str
    percent: float
    why: list[str]
