"""KPIs: the business value agreed in business understanding, and whether it is delivered.

Owns definitions, of decision points and of the processes and portfolios that they make up, and
their measurement from outcomes. Imports gates, telemetry, catalog.
"""

from app.kpi.agreement import Agreed, agreements, agreements_by_point, as_kept, kpis_in_force
from app.kpi.chance import FEWEST
from app.kpi.events import KpiWithdrawn
from app.kpi.measuring import Measured, measure
from app.kpi.noticing import notice
from app.kpi.over_time import over_time
from app.kpi.pushed import reporters_of
from app.kpi.rules import SPEAKS_ALONE, Formula, Found
from app.kpi.scopes.agreeing import apply_kpi_scope
from app.kpi.scopes.gauges import ScopeGauges
from app.kpi.scopes.measuring import Champion, Champions
from app.kpi.scopes.standing import stand
from app.kpi.service import GuardrailsAsking, apply_kpi, authors_of

__all__ = [
    "FEWEST",
    "SPEAKS_ALONE",
    "Agreed",
    "Champion",
    "Champions",
    "Formula",
    "Found",
    "GuardrailsAsking",
    "KpiWithdrawn",
    "Measured",
    "ScopeGauges",
    "agreements",
    "agreements_by_point",
    "apply_kpi",
    "apply_kpi_scope",
    "as_kept",
    "authors_of",
    "kpis_in_force",
    "measure",
    "notice",
    "over_time",
    "reporters_of",
    "stand",
]
