"""Neighbours: which decision points a decision comes from, and where it goes on to.

Either end may say that two points are neighbours; the contract of neither has the last word. A
circle is no error, for decisions do come back as data: it is shown, so that it can be watched.
"""

from collections import deque
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.rules import OwnNeighbour
from app.catalog.tables import DecisionPoint
from app.kit.actor import Actor
from app.kit.refusal import NotFound

Edges = dict[tuple[str, str], set[str]]
"""From and to, with the points whose contracts say so."""


async def require_neighbours(
    session: AsyncSession, key: str, contract: dict[str, Any], *, by: Actor
) -> None:
    """Refuse neighbours that do not exist, or a point as its own."""
    named = {*contract.get("upstream", ()), *contract.get("downstream", ())}
    if key in named:
        raise OwnNeighbour(f"{key} cannot be its own neighbour.")
    query = select(DecisionPoint.key).where(
        DecisionPoint.tenant_id == by.tenant_id, DecisionPoint.key.in_(named)
    )
    missing = named - set(await session.scalars(query)) if named else set()
    if missing:
        raise NotFound("decision point", min(missing))


async def neighbours_of(session: AsyncSession, point: DecisionPoint) -> dict[str, Any]:
    """Return a point's neighbours on both sides, and the circle it is in, if it is in one."""
    edges = await _edges(session, point.tenant_id)
    return {
        "decision_point": point.key,
        "upstream": [
            {"key": source, "declared_by": sorted(said)}
            for (source, target), said in sorted(edges.items())
            if target == point.key
        ],
        "downstream": [
            {"key": target, "declared_by": sorted(said)}
            for (source, target), said in sorted(edges.items())
            if source == point.key
        ],
        "cycle": cycle_through(point.key, edges),
    }


async def downstream_of(session: AsyncSession, point: DecisionPoint) -> list[DecisionPoint]:
    """Return the points that a point's decisions go on to, and those go on to, by key."""
    edges = await _edges(session, point.tenant_id)
    reached, waiting = {point.key}, deque([point.key])
    while waiting:
        here = waiting.popleft()
        further = {target for source, target in edges if source == here} - reached
        reached |= further
        waiting.extend(sorted(further))
    query = select(DecisionPoint).where(
        DecisionPoint.tenant_id == point.tenant_id, DecisionPoint.key.in_(reached - {point.key})
    )
    return list(await session.scalars(query.order_by(DecisionPoint.key)))


async def _edges(session: AsyncSession, tenant_id: UUID) -> Edges:
    contract = DecisionPoint.contract
    sides = (contract["upstream"], contract["downstream"])
    rows = await session.execute(
        select(DecisionPoint.key, *sides).where(
            DecisionPoint.tenant_id == tenant_id, or_(*(side[0].is_not(None) for side in sides))
        )
    )
    edges: Edges = {}
    for key, above, below in rows:
        for other in above or ():
            edges.setdefault((other, key), set()).add(key)
        for other in below or ():
            edges.setdefault((key, other), set()).add(key)
    return edges


def cycle_through(key: str, edges: Edges) -> list[str] | None:
    """Return a shortest way from ``key`` back to it, both ends named."""
    onward: dict[str, list[str]] = {}
    for source, target in sorted(edges):
        onward.setdefault(source, []).append(target)
    came: dict[str, str] = {}
    waiting = deque([key])
    while waiting:
        here = waiting.popleft()
        for there in onward.get(here, ()):
            if there == key:
                way = [key]
                while here != key:
                    way.append(here)
                    here = came[here]
                return [key, *reversed(way)]
            if there not in came:
                came[there] = here
                waiting.append(there)
    return None
