"""Members: which decision points a scope is of, by itself and by its processes."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog
from app.kit.actor import Actor
from app.kpi.scopes.rules import NoSuchMembers, ScopeKind, union
from app.kpi.scopes.tables import Scope, ScopePoint, ScopeProcess


@dataclass(frozen=True, slots=True)
class Members:
    """Of one scope: what it names itself, and every point that it is of; ids by key, in order."""

    own: dict[str, UUID]
    processes: dict[str, UUID]
    points: dict[str, UUID]


async def members_of(
    session: AsyncSession, tenant_id: UUID, scope_ids: Collection[UUID]
) -> dict[UUID, Members]:
    """Return what scopes are made of."""
    processes: dict[UUID, dict[str, UUID]] = defaultdict(dict)
    rows = await session.execute(
        select(ScopeProcess.scope_id, Scope.key, Scope.id)
        .join(
            Scope,
            (Scope.tenant_id == ScopeProcess.tenant_id) & (Scope.id == ScopeProcess.process_id),
        )
        .where(ScopeProcess.tenant_id == tenant_id, ScopeProcess.scope_id.in_(scope_ids))
        .order_by(Scope.key)
    )
    for scope_id, key, process_id in rows:
        processes[scope_id][key] = process_id
    asked = {*scope_ids, *(one for named in processes.values() for one in named.values())}
    own: dict[UUID, dict[str, UUID]] = defaultdict(dict)
    rows = await session.execute(
        select(ScopePoint.scope_id, catalog.DecisionPoint.key, catalog.DecisionPoint.id)
        .join(
            catalog.DecisionPoint,
            (catalog.DecisionPoint.tenant_id == ScopePoint.tenant_id)
            & (catalog.DecisionPoint.id == ScopePoint.point_id),
        )
        .where(ScopePoint.tenant_id == tenant_id, ScopePoint.scope_id.in_(asked))
        .order_by(catalog.DecisionPoint.key)
    )
    for scope_id, key, point_id in rows:
        own[scope_id][key] = point_id
    found = {}
    for scope_id in scope_ids:
        inside = [own[one] for one in processes[scope_id].values()]
        known = {key: id_ for named in (own[scope_id], *inside) for key, id_ in named.items()}
        points = {key: known[key] for key in union(own[scope_id], *inside)}
        found[scope_id] = Members(own[scope_id], processes[scope_id], points)
    return found


async def portfolios_of(session: AsyncSession, tenant_id: UUID, scope_id: UUID) -> list[Scope]:
    """Return the portfolios that name a process, by key."""
    rows = await session.scalars(
        select(Scope)
        .join(
            ScopeProcess,
            (ScopeProcess.tenant_id == Scope.tenant_id) & (ScopeProcess.scope_id == Scope.id),
        )
        .where(Scope.tenant_id == tenant_id, ScopeProcess.process_id == scope_id)
        .order_by(Scope.key)
    )
    return list(rows)


async def points_named(session: AsyncSession, keys: Iterable[str], *, by: Actor) -> set[UUID]:
    """Return decision points by their keys; refuse those that there are not."""
    asked = set(keys)
    point = catalog.DecisionPoint
    rows = await session.execute(
        select(point.key, point.id).where(point.tenant_id == by.tenant_id, point.key.in_(asked))
    )
    found = {row.key: row.id for row in rows}
    if missing := asked - found.keys():
        raise NoSuchMembers("decision point", missing)
    return set(found.values())


async def processes_named(session: AsyncSession, keys: Iterable[str], *, by: Actor) -> set[UUID]:
    """Return processes by their keys, held until the transaction ends; refuse what is none."""
    asked = set(keys)
    rows = await session.execute(
        select(Scope.key, Scope.id)
        .where(
            Scope.tenant_id == by.tenant_id, Scope.key.in_(asked), Scope.kind == ScopeKind.PROCESS
        )
        .order_by(Scope.key)
        .with_for_update(key_share=True)
    )
    found = {row.key: row.id for row in rows}
    if missing := asked - found.keys():
        raise NoSuchMembers(
            "process", missing, mend="PUT /v1/kpi-scopes/{scope} with `kind` process first."
        )
    return set(found.values())
