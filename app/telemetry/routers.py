"""What the room answers over HTTP."""

from app.telemetry.routes import hot_routes, router

routers = (router,)

__all__ = ["hot_routes", "routers"]
