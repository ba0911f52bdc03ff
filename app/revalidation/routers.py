"""What the room answers over HTTP."""

from app.revalidation.adherence_routes import router as adherence
from app.revalidation.routes import router as reviews
from app.revalidation.schedule_routes import revalidations, telemetry_gaps

routers = (reviews, adherence, revalidations, telemetry_gaps)
