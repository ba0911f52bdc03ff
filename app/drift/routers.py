"""What the room answers over HTTP."""

from app.drift.routes import router

routers = (router,)
