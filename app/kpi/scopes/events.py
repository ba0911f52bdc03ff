from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from app.platform.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeKpiTold(Event):
    """What every event of a scope's KPI says of it."""

    scope_id: UUID
    scope: str
    kpi_id: UUID
    kpi: str
    value: float
    direction: str
    threshold: float
    tolerance: float
    unit: str
    outcomes: int
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeMissed(ScopeKpiTold):
    """A process or a portfolio misses what was agreed for it, by more than chance."""

    type: ClassVar[str] = "kpi.scope_missed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeMet(ScopeKpiTold):
    """What was missed is met again."""

    type: ClassVar[str] = "kpi.scope_met"
