"""What the room answers over HTTP."""

from app.drift.chart_routes import router as charts
from app.drift.routes import router

routers = (router, charts)
