"""Deployment targets of decision points, and the terms their deployments are held to."""

from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, gates, identity
from app.activation.rules import TooManyTargets
from app.activation.tables import OnMismatch, Target, Terms
from app.identity import Action
from app.kit.actor import Actor
from app.kit.page import Rows
from app.kit.refusal import NotFound
from app.kit.revision import require_condition, require_current
from app.platform.db import page

MOST_TARGETS = 100
DEFAULTS: dict[str, Any] = {
    "on_digest_mismatch": OnMismatch.REPORT,
    "keep_warm_minutes": 24 * 60,
    "prepared_minutes": 10,
}


async def put_target(
    session: AsyncSession,
    key: str,
    name: str,
    *,
    expected: int | None,
    fields: dict[str, Any],
    by: Actor,
) -> Target:
    """Name a place that a point's versions are deployed to, or change what is known of it."""
    point = await _editable(session, key, by=by)
    target = await find(session, point, name, lock=True)
    if target is None:
        if len(await targets_of(session, point)) >= MOST_TARGETS:
            raise TooManyTargets(f"{key} has {MOST_TARGETS} targets.", limit=MOST_TARGETS)
        target = Target(tenant_id=by.tenant_id, point_id=point.id, name=name, **fields)
        session.add(target)
    else:
        require_condition(expected, target.revision)
        for field, value in fields.items():
            setattr(target, field, value)
        target.revision += 1
    await session.flush()
    await session.refresh(target)
    await audit.record(
        session, by, "target.set", f"point:{point.id}", target=target.id, name=name, **fields
    )
    return target


async def remove_target(
    session: AsyncSession, key: str, name: str, *, expected: int, by: Actor
) -> tuple[catalog.DecisionPoint, Target]:
    """Deploy to a target no more; what was reported of it is kept."""
    point = await _editable(session, key, by=by)
    target = await target_of(session, point, name, lock=True)
    require_current(expected, target.revision)
    target.removed_at = func.now()
    target.revision += 1
    await session.flush()
    await audit.record(
        session, by, "target.removed", f"point:{point.id}", target=target.id, name=name
    )
    return point, target


async def _editable(session: AsyncSession, key: str, *, by: Actor) -> catalog.DecisionPoint:
    """Return a point whose deployments somebody may arrange, locked: a swap waits for it."""
    point = await catalog.point_by_key(session, key, by=by, lock=True)
    roles = await gates.roles_at(session, point.id, by=by)
    await identity.require_right(session, by, Action.EDIT_POINT, point=key, roles=roles)
    return point


async def find(
    session: AsyncSession, point: catalog.DecisionPoint, name: str, *, lock: bool = False
) -> Target | None:
    """Return a point's target by name, if there is one."""
    query = select(Target).filter_by(
        tenant_id=point.tenant_id, point_id=point.id, name=name, removed_at=None
    )
    return await session.scalar(query.with_for_update() if lock else query)


async def target_of(
    session: AsyncSession, point: catalog.DecisionPoint, name: str, *, lock: bool = False
) -> Target:
    """Return a point's target by name."""
    found = await find(session, point, name, lock=lock)
    if found is None:
        raise NotFound("target", name)
    return found


async def targets_of(session: AsyncSession, point: catalog.DecisionPoint) -> list[Target]:
    """Return all targets of a point, by name."""
    query = select(Target).filter_by(tenant_id=point.tenant_id, point_id=point.id, removed_at=None)
    return list(await session.scalars(query.order_by(Target.name)))


async def targets_by_id(
    session: AsyncSession, tenant_id: UUID, ids: set[UUID]
) -> dict[UUID, Target]:
    """Return targets by id, removed ones too."""
    query = select(Target).where(Target.tenant_id == tenant_id, Target.id.in_(ids))
    return {target.id: target for target in await session.scalars(query)}


async def list_targets(
    session: AsyncSession, key: str, *, cursor: str | None, limit: int, by: Actor
) -> Rows[Target]:
    """List a point's targets by name."""
    point = await catalog.point_by_key(session, key, by=by)
    query = select(Target).filter_by(tenant_id=by.tenant_id, point_id=point.id, removed_at=None)
    return await page(session, query, Target.name, Target.id, cursor=cursor, limit=limit)


async def terms_of(session: AsyncSession, point: catalog.DecisionPoint) -> Terms:
    """Return what a point's deployments are held to; revision 0 are the defaults."""
    found = await session.get(Terms, (point.tenant_id, point.id))
    # Not added to the session: nobody has agreed on these.
    return found or Terms(tenant_id=point.tenant_id, point_id=point.id, revision=0, **DEFAULTS)


async def set_terms(
    session: AsyncSession, key: str, *, expected: int | None, fields: dict[str, Any], by: Actor
) -> Terms:
    """Say what a point's deployments are held to from now on."""
    point = await _editable(session, key, by=by)
    terms = await session.get(Terms, (by.tenant_id, point.id))
    if terms is None:
        terms = Terms(tenant_id=by.tenant_id, point_id=point.id, **fields)
        session.add(terms)
    else:
        require_condition(expected, terms.revision)
        for field, value in fields.items():
            setattr(terms, field, value)
        terms.revision += 1
    await session.flush()
    await session.refresh(terms)
    await audit.record(session, by, "deployment_terms.set", f"point:{point.id}", **fields)
    return terms


async def read_target(session: AsyncSession, key: str, name: str, *, by: Actor) -> Target:
    """Return a target by the names of its point and its own."""
    return await target_of(session, await catalog.point_by_key(session, key, by=by), name)


async def read_terms(session: AsyncSession, key: str, *, by: Actor) -> Terms:
    """Return what the deployments of a point, by its key, are held to."""
    return await terms_of(session, await catalog.point_by_key(session, key, by=by))
