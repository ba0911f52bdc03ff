"""The tenants' signing keys in memory."""

import secrets
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import identity
from app.telemetry.tables import TokenKey
from app.telemetry.token import Claim, Part, Sealer, unit_hash, unseal


@dataclass(frozen=True)
class SigningKeys:
    """A tenant's keys by id; the highest id signs."""

    secrets: dict[int, bytes]

    @property
    def current(self) -> tuple[int, bytes]:
        """The key that signs."""
        key_id = max(self.secrets)
        return key_id, self.secrets[key_id]

    @cached_property
    def sealer(self) -> Sealer:
        """The same, ready to seal."""
        return Sealer(*self.current)

    def decided(self, token: str, point_id: bytes, unit: str) -> Claim | None:
        """Return what a token says, if it was given at a point for a unit; refuse a forged one."""
        claim = unseal(token, self.secrets)
        pseudonyms = (unit_hash(secret, unit) for secret in self.secrets.values())
        here = claim.point_id == point_id and claim.part is Part.ARM
        return claim if here and claim.unit in pseudonyms else None


async def make_key(session: AsyncSession, event: identity.TenantCreated) -> None:
    """Give a new tenant its first signing key."""
    session.add(TokenKey(tenant_id=event.tenant_id, id=1, secret=secrets.token_bytes(32)))


async def signing_keys(session: AsyncSession, tenant_id: UUID) -> SigningKeys:
    """Return a tenant's signing keys."""
    rows = await session.scalars(select(TokenKey).filter_by(tenant_id=tenant_id))
    return SigningKeys({row.id: row.secret for row in rows})
