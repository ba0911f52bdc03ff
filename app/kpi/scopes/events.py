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
    scope_revision: int
    points: tuple[str, ...]
    """What the scope is of."""
    kpi_id: UUID
    kpi: str
    kpi_revision: int
    direction: str
    threshold: float
    tolerance: float
    unit: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeKpiKnown(ScopeKpiTold):
    """How it stands is known."""

    value: float
    outcomes: int
    joined: tuple[str, ...]
    """Points that it was not of when it was last known how it stood."""
    left: tuple[str, ...]
    """Points that it was of then, and is no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeMissed(ScopeKpiKnown):
    """A process or a portfolio misses what was agreed for it, by more than chance."""

    type: ClassVar[str] = "kpi.scope_missed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeMet(ScopeKpiKnown):
    """What was missed, or not measured, is met again."""

    type: ClassVar[str] = "kpi.scope_met"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeUnknown(ScopeKpiTold):
    """A KPI of a process or a portfolio is not measured any more, or never was."""

    type: ClassVar[str] = "kpi.scope_unknown"

    known: str | None
    """How it stood when that was last known."""
    lacking: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeKpiWithdrawn(Event):
    """A KPI of a process or a portfolio is agreed on no more; what was open about it is over."""

    type: ClassVar[str] = "kpi.scope_withdrawn"

    scope_id: UUID
    scope: str
    kpi_id: UUID
    kpi: str
    known: str | None
    """How it stood when that was last known."""
    ended: bool
    """Whether the whole scope ended."""
