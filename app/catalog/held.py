"""A model that is held: what registering reads of its row and locks, without a mapped object."""

from dataclasses import dataclass
from uuid import UUID

from app.catalog.rules import AssetKind, RiskTier


@dataclass(slots=True)
class Held:
    """A model that is locked, by what a registration asks of it; of no session."""

    tenant_id: UUID
    id: UUID
    name: str
    kind: AssetKind
    risk_tier: RiskTier
    owner_id: UUID
    purpose: str
    tags: dict[str, str]
    last_number: int

    def __post_init__(self) -> None:
        self.kind, self.risk_tier = AssetKind(self.kind), RiskTier(self.risk_tier)
