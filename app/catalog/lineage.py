"""Lineage: what a version came out of and what came out of it, as a graph."""

from collections.abc import Collection
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, cast, func, literal, or_, select, true, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.tables import DescentRow, Member, Model, Version
from app.catalog.versions import find_version, versions_by_id
from app.kit.actor import Actor

MOST_NODES = 500
_MOST_ROWS = 20 * MOST_NODES
"""A node that is reached on several ways of several lengths has a row for each length."""


class Direction(StrEnum):
    """Which way a lineage is followed."""

    UP = "up"
    """What the version came out of."""
    DOWN = "down"
    """What came out of it."""
    BOTH = "both"


async def lineage_of(
    session: AsyncSession,
    model_name: str,
    number: int,
    *,
    direction: Direction,
    depth: int,
    same_data: bool,
    by: Actor,
) -> dict[str, Any]:
    """Return the graph around a version, as far as ``depth`` steps, and say if there is more."""
    root = await find_version(session, model_name, number, by=by)
    reached: dict[UUID, int] = {root.id: 0}
    up: set[UUID] = set()
    truncated = False
    for way in (Direction.UP, Direction.DOWN):
        if direction in {way, Direction.BOTH}:
            found, more = await _walk(session, root, way, depth)
            truncated |= more
            reached |= found
            up |= found.keys() if way is Direction.UP else set()
    alike: set[UUID] = set()
    if same_data:
        alike, more = await _trained_alike(session, root)
        truncated |= more
    known = await versions_by_id(session, by.tenant_id, {*reached, *alike})
    order = {version_id: place for place, version_id in enumerate([*reached, *alike])}
    shown = sorted(known.items(), key=lambda item: order[item[0]])
    nodes = [_version_node(model, version) for _, (model, version) in shown]
    edges = await _edges(session, by.tenant_id, reached)
    origins: dict[str, dict[str, Any]] = {}
    for version_id, (_, version) in shown:
        if version_id in up or (same_data and version_id == root.id):
            for kind, node in _material(version):
                origins.setdefault(node["id"], node)
                edges.append({"source": node["id"], "target": str(version_id), "kind": kind})
    data = _data_node(root)["id"]
    for version_id in sorted(alike):
        edge = {"source": data, "target": str(version_id), "kind": "trained_on"}
        if edge not in edges:
            edges.append(edge)
    return {
        "root": root.id,
        "direction": direction,
        "depth": depth,
        "nodes": [*nodes, *origins.values()],
        "edges": edges,
        "truncated": truncated,
    }


async def _walk(
    session: AsyncSession, root: Version, way: Direction, depth: int
) -> tuple[dict[UUID, int], bool]:
    """Return the versions within ``depth`` steps, nearest first, and whether there are more."""
    near, far = DescentRow.child_id, DescentRow.parent_id
    inner, outer = Member.ensemble_id, Member.member_id
    if way is Direction.DOWN:
        near, far, inner, outer = far, near, outer, inner
    walk = select(cast(literal(root.id), Uuid).label("id"), literal(0).label("depth")).cte(
        "walk", recursive=True
    )
    step = union_all(
        select(far.label("id"))
        .where(DescentRow.tenant_id == root.tenant_id, near == walk.c.id)
        .correlate(walk),
        select(outer.label("id"))
        .where(Member.tenant_id == root.tenant_id, inner == walk.c.id)
        .correlate(walk),
    ).lateral("step")
    walk = walk.union(
        select(step.c.id, walk.c.depth + 1)
        .select_from(walk.join(step, true()))
        .where(walk.c.depth <= depth)
    )
    # The limit ends the recursion, too: rows come level by level.
    rows = select(walk.c.id, walk.c.depth).limit(_MOST_ROWS).subquery()
    least = func.min(rows.c.depth)
    found = (
        await session.execute(
            select(rows.c.id, least, func.sum(func.count()).over())
            .group_by(rows.c.id)
            .order_by(least, rows.c.id)
            .limit(MOST_NODES + 1)
        )
    ).all()
    within = {version_id: least for version_id, least, _ in found[:MOST_NODES] if least <= depth}
    return within, len(within) < len(found) or any(total >= _MOST_ROWS for *_, total in found)


async def _edges(
    session: AsyncSession, tenant_id: UUID, ids: Collection[UUID]
) -> list[dict[str, Any]]:
    """Return how the versions of a graph are joined."""
    descents = select(DescentRow.parent_id, DescentRow.child_id, DescentRow.kind).where(
        DescentRow.tenant_id == tenant_id,
        DescentRow.child_id.in_(ids),
        DescentRow.parent_id.in_(ids),
    )
    members = select(Member.member_id, Member.ensemble_id).where(
        Member.tenant_id == tenant_id, Member.ensemble_id.in_(ids), Member.member_id.in_(ids)
    )
    found = [(above, below, kind.value) for above, below, kind in await session.execute(descents)]
    found += [(above, below, "member") for above, below in await session.execute(members)]
    return [
        {"source": str(above), "target": str(below), "kind": kind}
        for above, below, kind in sorted(found)
    ]


async def _trained_alike(session: AsyncSession, root: Version) -> tuple[set[UUID], bool]:
    """Return the versions whose training data has the same reference, or the same digest."""
    data = root.training_data
    same = [
        func.md5(Version.training_data["reference"].astext) == func.md5(literal(data["reference"]))
    ]
    if data.get("digest") is not None:
        same.append(Version.training_data["digest"].astext == data["digest"])
    query = select(Version.id).where(
        Version.tenant_id == root.tenant_id, Version.id != root.id, or_(*same)
    )
    found = list(await session.scalars(query.order_by(Version.id).limit(MOST_NODES + 1)))
    return set(found[:MOST_NODES]), len(found) > MOST_NODES


def _version_node(model: Model, version: Version) -> dict[str, Any]:
    return {
        "id": str(version.id),
        "kind": "version",
        "label": f"{model.name}@{version.number}",
        "model": model.name,
        "version": version.number,
        "asset_kind": model.kind,
        "stage": version.stage,
        "digest": version.content_digest,
    }


def _data_node(version: Version) -> dict[str, Any]:
    data = version.training_data
    return {
        "id": f"training_data:{data.get('digest') or data['reference']}",
        "kind": "training_data",
        "label": data["reference"],
        "digest": data.get("digest"),
    }


def _material(version: Version) -> list[tuple[str, dict[str, Any]]]:
    """Return what a version was made of beside other versions: its data and its commit."""
    found = [("trained_on", _data_node(version))]
    commit = version.lineage.get("commit")
    if commit is not None:
        place = version.lineage.get("repository")
        label = f"{place}@{commit}" if place else commit
        node = {"id": f"commit:{label}", "kind": "commit", "label": label}
        found.append(("built_from", node))
    return found
