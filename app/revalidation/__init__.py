"""Revalidation: what production evidence sends back into the cycle.

Owns reviews, and the report on adherence. Promises that every version in a seat is validated
against its KPIs after each examined window, and that one which no longer earns its place goes back.
Imports activation, drift.
"""

from app.revalidation.adherence_routes import router as adherence
from app.revalidation.gauges import Gauges
from app.revalidation.routes import router as reviews
from app.revalidation.service import review

routers = (reviews, adherence)

__all__ = ["Gauges", "review", "routers"]
