"""What the room answers over HTTP."""

from app.drift.alert_routes import alerts, quiet
from app.drift.chart_routes import router as charts
from app.drift.inquiry_routes import router as inquiries
from app.drift.multivariate_routes import router as multivariate
from app.drift.recomputing_routes import router as recomputing
from app.drift.routes import router

routers = (router, alerts, quiet, charts, inquiries, multivariate, recomputing)
