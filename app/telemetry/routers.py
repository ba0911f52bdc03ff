"""What the room answers over HTTP."""

from app.telemetry.keeping_routes import keeping
from app.telemetry.routes import hot_routes, router

routers = (router, keeping)

__all__ = ["hot_routes", "routers"]
