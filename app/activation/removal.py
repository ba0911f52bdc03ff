"""The removal of a target, which ends what was wrong there."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.activation import incidents, targets
from app.activation.tables import Target
from app.kit.actor import Actor


async def remove(session: AsyncSession, key: str, name: str, *, expected: int, by: Actor) -> Target:
    """Deploy to a target no more; its open incidents end with it."""
    point, target = await targets.remove_target(session, key, name, expected=expected, by=by)
    await incidents.end_with(session, point, target, by=by)
    return target
