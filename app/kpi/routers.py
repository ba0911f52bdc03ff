"""What the room answers over HTTP."""

from app.kpi.routes import router

routers = (router,)
