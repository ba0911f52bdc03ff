"""What the room answers over HTTP."""

from app.kpi.routes import router
from app.kpi.scopes.kpi_routes import router as scope_kpis
from app.kpi.scopes.measured_routes import router as scope_measures
from app.kpi.scopes.routes import router as scopes
from app.kpi.scopes.value_routes import router as scope_values
from app.kpi.value_routes import router as values

routers = (router, values, scopes, scope_kpis, scope_values, scope_measures)
