"""Work that goes on after its call: in the caller's name, with what his key may do by then."""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.identity.actors import actor_of
from app.identity.delegation import lent_to
from app.identity.tables import Key, Principal
from app.kit.actor import Actor
from app.kit.refusal import Kind, Refusal


class KeyEnded(Refusal):
    """Whose work it is may not act any more, or his key is over."""

    kind = Kind.CONFLICT
    code = "key_ended"
    title = "The key it was asked with is over"
    mend = "Ask again with a key that works; what was done stays done."


async def acting_with(
    session: AsyncSession, tenant_id: UUID, principal_id: UUID, key_id: UUID | None
) -> Actor:
    """Return somebody as a request with his key would see him now: never with more."""
    row = (
        await session.execute(
            select(Key, Principal)
            .join(
                Principal,
                (Principal.tenant_id == Key.tenant_id) & (Principal.id == Key.principal_id),
            )
            .where(
                Key.tenant_id == tenant_id,
                Key.id == key_id,
                Key.principal_id == principal_id,
                Key.revoked_at.is_(None),
                Key.expires_at > func.clock_timestamp(),
                Principal.disabled_at.is_(None),
            )
            .execution_options(populate_existing=True)
        )
    ).first()
    if row is None:
        raise KeyEnded("The key was revoked or has expired, or its principal was disabled.")
    key, principal = row
    # A key narrowed to some roles lends no others.
    lent = (
        (await lent_to(session, {principal.id})).get(principal.id, ()) if key.roles is None else ()
    )
    return actor_of(principal, roles=key.roles, points=key.points, key_id=key.id, lent=lent)
