"""Notifications: what happened, for those outside.

Owns the outbox, and the webhooks it is delivered to. Promises that every published event is
written in the transaction of the act it tells of, once; that it reaches every receiver that asked
for it at least once, signed, under the same id at each attempt; and that no receiver waits for
another. Imports identity, audit, platform.
"""

from app.notifications.backlog import Waiting, waiting
from app.notifications.courier import Courier
from app.notifications.deliveries import forget
from app.notifications.events import WebhookDisabled
from app.notifications.listening import PointsNamed
from app.notifications.service import keep

__all__ = [
    "Courier",
    "PointsNamed",
    "Waiting",
    "WebhookDisabled",
    "forget",
    "keep",
    "waiting",
]
