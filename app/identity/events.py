from dataclasses import dataclass
from typing import ClassVar

from app.platform.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantCreated(Event):
    """A tenant exists; contexts give it what every tenant starts with."""

    type: ClassVar[str] = "identity.tenant.created"

    name: str
