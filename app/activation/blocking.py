"""The one place where an incident reaches for routing.

A running digest that nobody approved may block its decision point, where the point's deployment
settings say so. ``block`` has the shape of ``routing.stop(session, point, *, cause, reason, by)``,
``unblock`` that of ``routing.resume``: whoever stops points is subscribed to the two events below,
in the same transaction, and resumes only what was stopped for this very ``cause``. An emergency
stop that a person ordered for another reason is not ended by a target that mends itself.
"""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog
from app.activation.events import BlockLifted, BlockWanted
from app.kit.actor import Actor
from app.platform.events import publish

CAUSE = "digest_mismatch"


async def block(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    *,
    version_id: UUID,
    cause: str,
    reason: str,
    by: Actor,
) -> None:
    """Ask that a point stops answering with a version, from its fallback on."""
    await audit.record(
        session, by, "point.block_wanted", f"point:{point.id}",
        version_id=version_id, cause=cause, reason=reason,
    )  # fmt: skip
    await publish(
        session,
        BlockWanted(
            tenant_id=point.tenant_id, point_id=point.id, point=point.key, version_id=version_id,
            cause=cause, reason=reason,
        ),
    )  # fmt: skip


async def unblock(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    *,
    version_id: UUID,
    cause: str,
    reason: str,
    by: Actor,
) -> None:
    """Say that what a point was blocked for holds no more."""
    await audit.record(
        session, by, "point.block_lifted", f"point:{point.id}",
        version_id=version_id, cause=cause, reason=reason,
    )  # fmt: skip
    await publish(
        session,
        BlockLifted(
            tenant_id=point.tenant_id, point_id=point.id, point=point.key, version_id=version_id,
            cause=cause, reason=reason,
        ),
    )  # fmt: skip
