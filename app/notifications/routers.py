"""What the room answers over HTTP."""

from app.notifications.routes import router as feed
from app.notifications.webhook_routes import router as webhooks

routers = (feed, webhooks)
