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
from app.identity.tables import RightsRevision
from app.kit.actor import SYSTEM_ID, Actor
from app.kit.canonical import digest as digest_of
from app.kit.moment import require_past
from app.kit.page import Rows
from app.kit.refusal import NotFound
from app.kit.revision import require_current
from app.platform.db import clock, page


async def rights_row(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    revision: int | None = None,
    at: datetime | None = None,
) -> RightsRevision | None:
    """Return the newest rights, or those of a revision or a moment; ``None`` for the first ones."""
    query = select(RightsRevision).filter_by(tenant_id=tenant_id)
    if revision is not None:
        query = query.filter_by(revision=revision)
    if at is not None:
        require_past(at, await clock(session))
        query = query.where(RightsRevision.at <= at)
    found = await session.scalar(query.order_by(RightsRevision.revision.desc()).limit(1))
    if found is None and revision:
        raise NotFound("revision of the decision rights", revision)
    return found


async def rights_of(session: AsyncSession, tenant_id: UUID) -> DecisionRights:
    """Return a tenant's decision rights as they stand."""
    row = await rights_row(session, tenant_id)
    return DEFAULT if row is None else completed(DecisionRights.model_validate(row.body))


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
    if by.id == SYSTEM_ID:
        return
    by.require_point(point)
    rights = await rights_of(session, by.tenant_id)
    scope = {"tier": tier, "model": model, "point": point}
    if not rights.allows(by.deciding() if roles is None else roles, action, **scope):
        named = {key: value for key, value in scope.items() if value is not None}
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
    body = rights.model_dump(mode="json")
    row = RightsRevision(
        tenant_id=by.tenant_id,
        revision=(newest or 0) + 1,
        body=body,
        digest=digest_of(body),
        author_id=by.person_id,
    )
    session.add(row)
    await session.flush()
    await session.refresh(row)
    await audit.record(
        session, by, "rights.replaced", f"tenant:{by.tenant_id}",
        revision=row.revision, digest=row.digest,
    )  # fmt: skip
    return row


async def list_rights(
    session: AsyncSession, *, cursor: str | None, limit: int, by: Actor
) -> Rows[RightsRevision]:
    """List the revisions of the matrix, newest first."""
    query = select(RightsRevision).filter_by(tenant_id=by.tenant_id)
    return await page(
        session, query, RightsRevision.revision, cursor=cursor, limit=limit, newest_first=True
    )
