"""What the room answers over HTTP."""

from app.kpi.routes import router
from app.kpi.value_routes import router as values

routers = (router, values)
