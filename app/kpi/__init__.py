"""KPIs: the business value agreed in business understanding, and whether it is delivered.

Owns definitions and their measurement from outcomes. Imports gates, telemetry, catalog.
"""

from app.kpi.measuring import Measured, measure
from app.kpi.noticing import notice
from app.kpi.rules import SPEAKS_ALONE
from app.kpi.service import apply_kpi, definitions, kpis_in_force

__all__ = [
    "SPEAKS_ALONE",
    "Measured",
    "apply_kpi",
    "definitions",
    "kpis_in_force",
    "measure",
    "notice",
]
