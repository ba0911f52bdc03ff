"""What the room answers over HTTP."""

from app.routing.emergency_routes import emergency, stopping
from app.routing.routes import hot_routes, router

routers = (router, emergency, stopping)

__all__ = ["hot_routes", "routers"]
