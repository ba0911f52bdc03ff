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
