"""What the room answers over HTTP."""

from app.openfeature.routes import hot_routes

__all__ = ["hot_routes"]
