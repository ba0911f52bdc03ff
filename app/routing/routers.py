"""What the room answers over HTTP."""

from app.routing.emergency_routes import emergency, stopping
from app.routing.experiment_routes import router as experiments
from app.routing.routes import hot_routes, router

routers = (router, experiments, emergency, stopping)

__all__ = ["hot_routes", "routers"]
