"""Release: validation and the six steps that make a version fit for activation.

Owns the pure lifecycle machine, the KPI validation with its four ways out, integration testing and
the operations that a worker carries out. Promises that a version's stage moves only along the
machine's edges, and that an operation does no more than its caller may. Imports gates, drift, kpi,
telemetry, catalog.
"""

from app.release.events import VersionMoved, VersionReturned
from app.release.kpi_drawn import kpi_drawn
from app.release.kpi_validation import (
    conclude,
    kpis_agreed,
    kpis_over,
    lapse_withdrawn,
    measure_kpis,
    measure_since,
)
from app.release.lifecycle import NEXT, RETURN, IllegalMove, require_edge
from app.release.moves import move, send_back, sent_back_at
from app.release.operator import Operator
from app.release.point_cases import in_force as cases_in_force
from app.release.rehearsed import releases_ended
from app.release.service import about, open_validation

__all__ = [
    "NEXT",
    "RETURN",
    "IllegalMove",
    "Operator",
    "VersionMoved",
    "VersionReturned",
    "about",
    "cases_in_force",
    "conclude",
    "kpi_drawn",
    "kpis_agreed",
    "kpis_over",
    "lapse_withdrawn",
    "measure_kpis",
    "measure_since",
    "move",
    "open_validation",
    "releases_ended",
    "require_edge",
    "send_back",
    "sent_back_at",
]
