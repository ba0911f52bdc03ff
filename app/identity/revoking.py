"""Revocation: a key ends, and with it the keys that were made with it."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit
from app.identity.issuing import began
from app.identity.rules import BeyondOwnRights
from app.identity.service import get_principal
from app.identity.tables import Key
from app.kit.actor import Actor
from app.kit.refusal import NotFound


@dataclass(frozen=True, slots=True)
class Revoked:
    """A key that was ended, and those that ended with it."""

    key: Key
    descendants: list[Key]


async def revoke_key(session: AsyncSession, key_id: UUID, *, alone: bool, by: Actor) -> Revoked:
    """End a key, and unless ``alone`` what was made with it; it stops within five seconds.

    Whoever had a key may have made others with it. The key that the caller calls with goes on, and
    what was made with that: so he replaces a key by one that he made with it.
    """
    by.require_point(None)
    key = await session.get(Key, (by.tenant_id, key_id), with_for_update=True)
    if key is None:
        raise NotFound("key", key_id)
    principal = await get_principal(session, key.principal_id, by=by)
    if by.id not in {principal.id, principal.owner_id} and "identity:manage" not in by.permissions:
        raise BeyondOwnRights("Only an administrator ends the key of somebody else.")
    now = await began(session)
    spared = None if key.id == by.key_id else by.key_id
    made = [] if alone else await _made_with(session, key, sparing=spared)
    ending = [one for one in made if one.revoked_at is None and one.expires_at > now]
    key.revoked_at = key.revoked_at or now
    await audit.record(
        session, by, "key.revoked", f"principal:{key.principal_id}",
        prefix=key.prefix, descendants=[one.prefix for one in ending],
    )  # fmt: skip
    for one in ending:
        one.revoked_at = now
        await audit.record(
            session, by, "key.revoked", f"principal:{one.principal_id}",
            prefix=one.prefix, made_with=key.prefix,
        )  # fmt: skip
    return Revoked(key, ending)


async def _made_with(session: AsyncSession, key: Key, *, sparing: UUID | None) -> list[Key]:
    """Return all that came of a key, locked, but for one and what came of that.

    Whoever makes a key holds the row of the one he makes it with. So each generation is read under
    the locks of the one before, and none that is just being made is missed.
    """
    found: list[Key] = []
    makers = [key]
    while makers:
        rows = await session.scalars(
            select(Key)
            .where(
                Key.tenant_id == key.tenant_id,
                Key.maker_key_id.in_([maker.id for maker in makers]),
                Key.id.is_distinct_from(sparing),
            )
            .order_by(Key.id)
            .with_for_update()
        )
        makers = list(rows)
        found += makers
    return found
