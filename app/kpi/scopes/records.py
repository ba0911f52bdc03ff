"""Records: what is kept of scopes that have ended, which go by the id that they had."""

from contextlib import suppress
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.actor import Actor
from app.kit.page import Rows
from app.kit.refusal import NotFound
from app.kpi.scopes.tables import Scope
from app.kpi.tables import NOBODY, Ended
from app.platform.db import page


async def on_record(session: AsyncSession, name: str, *, by: Actor) -> UUID:
    """Return the id of a scope by its key, or of one that has ended by that id."""
    by.require_point(None)
    found = await session.scalar(select(Scope.id).filter_by(tenant_id=by.tenant_id, key=name))
    if found is not None:
        return found
    with suppress(ValueError):
        gone = await session.get(Ended, (by.tenant_id, UUID(name)))
        if gone is not None and gone.place_id == NOBODY:
            return gone.id
    raise NotFound(
        "KPI scope", name,
        mend="GET /v1/kpi-scopes lists what there is; with `ended=true` what there was, of which"
        " records are read by its `id`.",
    )  # fmt: skip


async def list_ended(
    session: AsyncSession, *, cursor: str | None, limit: int, by: Actor
) -> Rows[dict[str, Any]]:
    """List the scopes that a tenant had, as they were at their end, by key."""
    by.require_point(None)
    query = select(Ended).filter_by(tenant_id=by.tenant_id, place_id=NOBODY)
    found = await page(session, query, Ended.key, Ended.id, cursor=cursor, limit=limit)
    return Rows([{**one.said, "ended_at": one.at} for one in found.items], found.next_cursor)
