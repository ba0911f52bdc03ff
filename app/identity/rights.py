"""Decision rights as they stand, stood, and change."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit
from app.identity.decisions import (
    DEFAULT,
    Action,
    BadRights,
    DecisionDenied,
    DecisionRights,
    completed,
    require_known_limits,
)
from app.identity.events import TenantCreated
from app.identity.tables import RightsRevision, Tenant
from app.kit.actor import SYSTEM_ID, Actor
from app.kit.canonical import digest as digest_of
from app.kit.moment import require_past
from app.kit.page import Rows
from app.kit.refusal import NotFound
from app.kit.revision import require_current
from app.platform.db import clock, page

_READ: dict[tuple[UUID, int, str], DecisionRights] = {}
"""Matrices that this process has read, by tenant, revision and digest; revisions never change."""
_MOST_READ = 1000
_NEWEST = """
SELECT revision, digest FROM identity_rights WHERE tenant_id = %(tenant)s
ORDER BY revision DESC LIMIT 1
"""


async def rights_row(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    revision: int | None = None,
    at: datetime | None = None,
) -> RightsRevision:
    """Return the newest rights, or those of a revision or a moment."""
    query = select(RightsRevision).filter_by(tenant_id=tenant_id)
    if revision is not None:
        query = query.filter_by(revision=revision)
    if at is not None:
        require_past(at, await clock(session))
        query = query.where(RightsRevision.at <= at)
    found = await session.scalar(query.order_by(RightsRevision.revision.desc()).limit(1))
    if found is None:
        asked = "of that time" if revision is None else revision
        raise NotFound("revision of the decision rights", asked)
    return found


async def rights_of(session: AsyncSession, tenant_id: UUID) -> DecisionRights:
    """Return a tenant's decision rights as they stand.

    A revision is read once in each process: of thousands of grants that takes longer than the act.
    """
    # Plain SQL: every governed act asks, and to compile a query takes longer than to answer it.
    connection = await session.connection()
    newest = (await connection.exec_driver_sql(_NEWEST, {"tenant": tenant_id})).first()
    if newest is None:  # made by a release that did not write them down, and not served since
        return DEFAULT
    # A number that was rolled back may come again: the digest says which matrix it is of.
    key = (tenant_id, newest.revision, newest.digest)
    known = _READ.get(key)
    if known is None:
        row = await rights_row(session, tenant_id, revision=newest.revision)
        known = completed(DecisionRights.model_validate(row.body))
        if len(_READ) >= _MOST_READ:
            _READ.clear()
        _READ[key] = known
    return known


async def seed_rights(session: AsyncSession, event: TenantCreated) -> None:
    """Give a new tenant its starting rights."""
    await begin_rights(session, event.tenant_id)


async def begin_rights(session: AsyncSession, tenant_id: UUID) -> None:
    """Write down what a tenant starts with, so that no later release says it was something else.

    Its row is held: of two servers that start at once, the second finds the first one's.
    """
    await session.get_one(
        Tenant, tenant_id, with_for_update={"key_share": True}, populate_existing=True
    )
    query = select(RightsRevision.revision).filter_by(tenant_id=tenant_id).limit(1)
    if await session.scalar(query) is None:
        await _append(
            session, DEFAULT, revision=1, action="rights.begun", by=Actor.system(tenant_id)
        )


async def require_right(
    session: AsyncSession,
    by: Actor,
    action: Action,
    *,
    tier: str | None = None,
    model: str | None = None,
    point: str | None = None,
    roles: frozenset[str] | None = None,
) -> None:
    """Refuse who is not responsible for a decision; the server itself always is.

    ``roles`` are those he may decide in here, by default all that he has or was lent.
    """
    if by.id != SYSTEM_ID:
        rights = await rights_of(session, by.tenant_id)
        require_allowed(rights, by, action, tier=tier, model=model, point=point, roles=roles)


def require_allowed(
    rights: DecisionRights,
    by: Actor,
    action: Action,
    *,
    tier: str | None = None,
    model: str | None = None,
    point: str | None = None,
    roles: frozenset[str] | None = None,
) -> None:
    """Refuse, as ``require_right`` does, by rights that were read already."""
    if by.id == SYSTEM_ID:
        return
    by.require_point(point)
    scope = {"tier": tier, "model": model, "point": point}
    if not rights.allows(by.deciding() if roles is None else roles, action, **scope):
        named: dict[str, Any] = {key: value for key, value in scope.items() if value is not None}
        about = "".join(f", {key} {value}" for key, value in named.items())
        raise DecisionDenied(
            f"{by.name} may not {action}{about}.",
            permission=action.value,
            roles=sorted(by.roles),
            **named,
        )


def checked(body: dict[str, Any]) -> DecisionRights:
    """Return a matrix that can be saved; raise ``BadRights`` with every reason."""
    try:
        rights = DecisionRights.model_validate(body)
    except ValidationError as error:
        found = [
            {"at": ".".join(map(str, item["loc"])) or "body", "problem": item["msg"]}
            for item in error.errors()
        ]
        raise BadRights(f"{found[0]['at']}: {found[0]['problem']}", errors=found) from error
    require_known_limits(rights)
    return rights


async def replace_rights(
    session: AsyncSession, rights: DecisionRights, *, expected: int, by: Actor
) -> RightsRevision:
    """Save a new revision of the matrix, if it is still at ``expected``."""
    newest = await session.scalar(
        select(func.max(RightsRevision.revision)).filter_by(tenant_id=by.tenant_id)
    )
    require_current(expected, newest or 0)
    revision = (newest or 0) + 1
    return await _append(session, rights, revision=revision, action="rights.replaced", by=by)


async def _append(
    session: AsyncSession, rights: DecisionRights, *, revision: int, action: str, by: Actor
) -> RightsRevision:
    body = rights.model_dump(mode="json")
    row = RightsRevision(
        tenant_id=by.tenant_id,
        revision=revision,
        body=body,
        digest=digest_of(body),
        author_id=by.person_id,
    )
    session.add(row)
    await session.flush()
    await session.refresh(row)
    await audit.record(
        session, by, action, f"tenant:{by.tenant_id}", revision=row.revision, digest=row.digest
    )
    return row


async def list_rights(
    session: AsyncSession, *, cursor: str | None, limit: int, by: Actor
) -> Rows[RightsRevision]:
    """List the revisions of the matrix, newest first."""
    query = select(RightsRevision).filter_by(tenant_id=by.tenant_id)
    return await page(
        session, query, RightsRevision.revision, cursor=cursor, limit=limit, newest_first=True
    )
