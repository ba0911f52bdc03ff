"""Ended: what was agreed on once, by the id that it had, so that its key begins nothing twice.

Revisions under a key go on from one KPI to the next. So the last revision of the one before tells
them apart, or 0 where there was none: what is reported of a KPI is kept with it, as its life.
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.canonical import plain
from app.kit.revision import Stale
from app.kpi.tables import Ended


def keep(
    session: AsyncSession,
    tenant_id: UUID,
    place_id: UUID,
    *,
    id_: UUID,
    key: str,
    revision: int,
    said: dict[str, Any],
) -> None:
    """Keep what ends: a KPI of a point or of a scope, or a scope, whose place is nobody's."""
    session.add(
        Ended(
            tenant_id=tenant_id, place_id=place_id, id=id_, key=key, revision=revision,
            said=plain(said),
        )
    )  # fmt: skip


def require_nothing_edited(key: str, expected: int | None) -> None:
    """Refuse to edit, under a condition, what is not there."""
    if expected is not None:
        raise Stale(f"You edited revision {expected} of {key}; there is no {key} here now.")


async def first_revision(
    session: AsyncSession, tenant_id: UUID, place_id: UUID, key: str, *, expected: int | None
) -> int:
    """Return at which revision something new begins under a key: at none that was used before.

    So a condition on what stood there once never holds of what stands there now.
    """
    require_nothing_edited(key, expected)
    used = await session.scalar(
        select(func.max(Ended.revision)).filter_by(tenant_id=tenant_id, place_id=place_id, key=key)
    )
    return (used or 0) + 1


async def lives(
    session: AsyncSession,
    tenant_id: UUID,
    place_id: UUID,
    keys: Collection[str],
    *,
    before: int | None = None,
) -> dict[str, int]:
    """Return which KPI there is under each key now, or was at a revision: see above."""
    query = (
        select(Ended.key, func.max(Ended.revision))
        .where(Ended.tenant_id == tenant_id, Ended.place_id == place_id, Ended.key.in_(keys))
        .group_by(Ended.key)
    )
    if before is not None:
        query = query.where(Ended.revision < before)
    found = {key: last for key, last in await session.execute(query)}  # noqa: C416 - rows
    return {key: found.get(key, 0) for key in keys}
