"""A KPI as a metric to draw: what outcomes say of it, or what was reported, asked of who knows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from app import telemetry
from app.platform.events import Question

KPI = "kpi"


@dataclass(frozen=True, slots=True)
class ReportedLine:
    """What was reported of a version, or of the whole point, by bucket."""

    version_id: UUID | None
    segment: str
    figures: Mapping[int, telemetry.Measure]


@dataclass(frozen=True, slots=True)
class KpiDrawn:
    """How a KPI is drawn: from outcomes, or as it was reported, or not at all, and why."""

    of_outcomes: Callable[[telemetry.Performance], telemetry.Measure | None] | None = None
    reported: Sequence[ReportedLine] = ()
    lacking: str | None = None


@dataclass(frozen=True, slots=True)
class KpiToDraw(Question[KpiDrawn]):
    """How a KPI that is agreed on is drawn over the hours ``[first, last)``; nothing, of none."""

    tenant_id: UUID
    point_id: UUID
    key: str
    version_id: UUID | None
    segment: str | None
    first: int
    last: int
    width: int
