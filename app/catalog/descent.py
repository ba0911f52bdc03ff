"""Descent: which version came out of which, kept where both ways are quick.

Parents and forks stand in a version's lineage, which its digest covers; the table is their index,
for the way down.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import CTE, Uuid, cast, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.rules import Descent
from app.catalog.tables import DescentRow, Version


async def index(session: AsyncSession, versions: Sequence[Version]) -> None:
    """Keep for the way down what new versions' lineages say; all are of one tenant."""
    rows = set()
    named: dict[tuple[UUID, int], list[Version]] = defaultdict(list)
    for version in versions:
        if origin := version.lineage.get("forked_from"):
            rows.add((version.tenant_id, version.id, UUID(origin["version_id"]), Descent.FORK))
        for parent in version.lineage["parents"]:
            named[version.model_id, parent].append(version)
    if named:
        found = await session.execute(
            select(Version.model_id, Version.number, Version.id).where(
                Version.tenant_id == versions[0].tenant_id,
                tuple_(Version.model_id, Version.number).in_(list(named)),
            )
        )
        for model_id, number, parent_id in found:
            rows |= {
                (child.tenant_id, child.id, parent_id, Descent.PARENT)
                for child in named[model_id, number]
            }
    for row in sorted(rows):
        _add(session, *row)


async def link_retrained(
    session: AsyncSession, tenant_id: UUID, *, child: UUID, parent: UUID
) -> None:
    """Keep that a change procedure made one version of another; that is asked for but once."""
    key = (tenant_id, child, parent, Descent.RETRAIN)
    if await session.get(DescentRow, key) is None:
        _add(session, tenant_id, child, parent, Descent.RETRAIN)
        await session.flush()


def _add(session: AsyncSession, tenant_id: UUID, child: UUID, parent: UUID, kind: Descent) -> None:
    session.add(DescentRow(tenant_id=tenant_id, child_id=child, parent_id=parent, kind=kind))


async def origin_developers(
    session: AsyncSession, tenant_id: UUID, version_ids: Collection[UUID]
) -> set[UUID]:
    """Return who developed what versions were forked from, as far back as it goes.

    Read from what the versions' digests cover, not from the index.
    """
    if not version_ids:
        return set()
    origin = _origins(tenant_id, version_ids)
    developers = select(Version.developer_id).join(origin, Version.id == origin.c.id)
    return set(await session.scalars(developers.where(Version.tenant_id == tenant_id)))


async def origins_of(session: AsyncSession, version: Version) -> set[UUID]:
    """Return the versions that one was forked from, as far back as it goes."""
    return set(await session.scalars(select(_origins(version.tenant_id, [version.id]).c.id)))


def _origins(tenant_id: UUID, version_ids: Collection[UUID]) -> CTE:
    before = Version.lineage["forked_from"]["version_id"].astext
    origin = (
        select(cast(before, Uuid).label("id"))
        .where(Version.tenant_id == tenant_id, Version.id.in_(version_ids), before.is_not(None))
        .cte("origin", recursive=True)
    )
    return origin.union(
        select(cast(before, Uuid)).where(
            Version.tenant_id == tenant_id, Version.id == origin.c.id, before.is_not(None)
        )
    )
