"""Release: validation and the six steps that make a version fit for activation.

Owns the pure lifecycle machine, the KPI validation with its four ways out, integration testing and
the operations that a worker carries out. Promises that a version's stage moves only along the
machine's edges, and that an operation does no more than its caller may. Imports gates, drift, kpi,
telemetry, catalog.
"""

from app.release import integration_routes, operation_routes, routes, run_routes
from app.release.events import VersionMoved, VersionReturned
from app.release.kpi_validation import conclude, measure_kpis
from app.release.lifecycle import NEXT, RETURN, IllegalMove
from app.release.operator import Operator
from app.release.service import about, move, send_back

routers = (
    run_routes.router,
    *routes.routers,
    integration_routes.runs,
    integration_routes.kept,
    operation_routes.router,
)

__all__ = [
    "NEXT",
    "RETURN",
    "IllegalMove",
    "Operator",
    "VersionMoved",
    "VersionReturned",
    "about",
    "conclude",
    "measure_kpis",
    "move",
    "routers",
    "send_back",
]
