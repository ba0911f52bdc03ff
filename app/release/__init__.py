"""Release: validation and the six steps that make a version fit for activation.

Owns the pure lifecycle machine and the KPI validation with its four ways out. Promises that a
version's stage moves only along the machine's edges. Imports gates, drift, kpi, telemetry, catalog.
"""

from app.release.contract_routes import contracts
from app.release.events import VersionMoved, VersionReturned
from app.release.kpi_validation import conclude, measure_kpis, measure_since
from app.release.lifecycle import NEXT, RETURN, IllegalMove, require_edge
from app.release.moves import move, send_back
from app.release.rework_routes import hand_backs, procedures
from app.release.routes import releases, validations
from app.release.sample_routes import samples
from app.release.service import about

routers = (validations, releases, samples, contracts, hand_backs, procedures)

__all__ = [
    "NEXT",
    "RETURN",
    "IllegalMove",
    "VersionMoved",
    "VersionReturned",
    "about",
    "conclude",
    "measure_kpis",
    "measure_since",
    "move",
    "require_edge",
    "routers",
    "send_back",
]
