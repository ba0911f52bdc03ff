"""What the room answers over HTTP."""

from app.audit.routes import router

routers = (router,)
