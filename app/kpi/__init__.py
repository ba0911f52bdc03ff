"""KPIs: the business value agreed in business understanding, and whether it is delivered.

Owns definitions and their measurement from outcomes. Imports gates, telemetry, catalog.
"""

from app.kpi.service import Measured, apply_kpi, definitions, kpis_in_force, measure

__all__ = ["Measured", "apply_kpi", "definitions", "kpis_in_force", "measure"]
