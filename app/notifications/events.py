from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from app.platform.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDisabled(Event):
    """The server no longer sends to a receiver."""

    type: ClassVar[str] = "notifications.webhook.disabled"

    webhook_id: UUID
    host: str
    reason: str
    addressees: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookTested(Event):
    """Somebody wants to see a receiver receive; sent to that one alone."""

    type: ClassVar[str] = "notifications.webhook.tested"

    webhook_id: UUID
