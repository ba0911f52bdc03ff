from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from app.platform.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiWithdrawn(Event):
    """A KPI of a decision point is agreed on no more."""

    type: ClassVar[str] = "kpi.withdrawn"

    point: str
    point_id: UUID
    key: str
