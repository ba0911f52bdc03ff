"""Notifications: what happened, for those outside.

Owns the outbox. Promises that every published event is written in the transaction of the act it
tells of, once. Imports platform.
"""

from app.notifications.routes import router
from app.notifications.service import keep

__all__ = ["keep", "router"]
