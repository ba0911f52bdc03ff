from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from app.platform.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardrailBreached(Event):
    """A champion did not hold a guardrail; ``taken`` is what was done about it."""

    type: ClassVar[str] = "activation.guardrail.breached"

    point: str
    guardrail: str
    breach_id: UUID
    version_id: UUID
    taken: str
    why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardrailFailed(Event):
    """A guardrail's condition could not be answered: nobody watches there, and nothing was done."""

    type: ClassVar[str] = "activation.guardrail.failed"

    point: str
    guardrail: str
    breach_id: UUID
    version_id: UUID
    why: str
