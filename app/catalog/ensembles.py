"""Ensembles: the versions inside of a version, and those it is inside of."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.held import Held
from app.catalog.rules import FIT_INSIDE, EnsembleInItself, MemberRetired, Stage
from app.catalog.tables import Member, Model, Version
from app.kit.actor import Actor
from app.kit.page import Rows
from app.kit.refusal import NotFound
from app.platform.db import page


async def require_members(
    session: AsyncSession, model: Held, specifics: dict[str, Any] | None
) -> list[Member]:
    """Return the members that a version of ``model`` is to have, not yet of any version.

    Members exist before what they are members of, so that no ensemble is ever inside of its own
    version; that it is not inside of another of its model's is looked after here. The members
    are locked against being retired meanwhile.
    """
    named: list[dict[str, Any]] = (specifics or {}).get("members", [])
    if not named:
        return []
    found = await _locked(session, model.tenant_id, {(m["model"], m["version"]) for m in named})
    members = []
    for position, member in enumerate(named, 1):
        key = member["model"], member["version"]
        if key not in found:
            raise NotFound("member version", f"{key[0]}@{key[1]}")
        version = found[key]
        if version.stage is Stage.RETIRED:
            raise MemberRetired(
                f"{key[0]}@{key[1]} is retired.",
                member=f"{key[0]}@{key[1]}",
                filled={"name": key[0]},
            )
        members.append(
            Member(
                tenant_id=model.tenant_id,
                member_id=version.id,
                position=position,
                role=member["role"],
                weight=member["weight"],
            )
        )
    await _require_without(session, model, {member.member_id for member in members})
    return members


async def _locked(
    session: AsyncSession, tenant_id: UUID, named: set[tuple[str, int]]
) -> dict[tuple[str, int], Version]:
    rows = await session.execute(
        select(Model.name, Version)
        .join(Version, (Version.tenant_id == Model.tenant_id) & (Version.model_id == Model.id))
        .where(Model.tenant_id == tenant_id, tuple_(Model.name, Version.number).in_(sorted(named)))
        .order_by(Version.id)
        .with_for_update(of=Version, read=True)
        .execution_options(populate_existing=True)
    )
    return {(name, version.number): version for name, version in rows}


async def _require_without(session: AsyncSession, model: Held, members: set[UUID]) -> None:
    """Refuse members that are, or have inside, a version of ``model``."""
    inside = (
        select(Version.id)
        .where(Version.tenant_id == model.tenant_id, Version.id.in_(members))
        .cte("inside", recursive=True)
    )
    inside = inside.union(
        select(Member.member_id).where(
            Member.tenant_id == model.tenant_id, Member.ensemble_id == inside.c.id
        )
    )
    number = await session.scalar(
        select(Version.number)
        .join(inside, Version.id == inside.c.id)
        .where(Version.tenant_id == model.tenant_id, Version.model_id == model.id)
        .limit(1)
    )
    if number is not None:
        own = f"{model.name}@{number}"
        raise EnsembleInItself(
            f"{own} would be inside of its own model's ensemble.",
            member=own,
            filled={"name": model.name, "number": number},
        )


async def members_of(
    session: AsyncSession, version: Version, *, cursor: str | None, limit: int, by: Actor
) -> Rows[dict[str, Any]]:
    """List the members of a version in the order they were named in."""
    query = select(Member).filter_by(tenant_id=by.tenant_id, ensemble_id=version.id)
    found = await page(session, query, Member.position, cursor=cursor, limit=limit)
    known = await _named(session, by.tenant_id, {row.member_id for row in found.items})
    return Rows([_shown(row, *known[row.member_id]) for row in found.items], found.next_cursor)


async def every_member(session: AsyncSession, version: Version) -> list[dict[str, Any]]:
    """Return all the members of a version: there are a hundred at most."""
    query = select(Member).filter_by(tenant_id=version.tenant_id, ensemble_id=version.id)
    found = list(await session.scalars(query.order_by(Member.position)))
    known = await _named(session, version.tenant_id, {row.member_id for row in found})
    return [_shown(row, *known[row.member_id]) for row in found]


def _shown(row: Member, model: Model, version: Version) -> dict[str, Any]:
    return {
        "position": row.position,
        "model": model.name,
        "version": version.number,
        "version_id": version.id,
        "role": row.role,
        "weight": row.weight,
        "kind": model.kind,
        "stage": version.stage,
        "content_digest": version.content_digest,
    }


async def _named(
    session: AsyncSession, tenant_id: UUID, ids: Collection[UUID]
) -> dict[UUID, tuple[Model, Version]]:
    rows = await session.execute(
        select(Model, Version)
        .join(Version, (Version.tenant_id == Model.tenant_id) & (Version.model_id == Model.id))
        .where(Version.tenant_id == tenant_id, Version.id.in_(ids))
    )
    return {version.id: (model, version) for model, version in rows}


def _inside(tenant_id: UUID, ids: Collection[UUID]) -> CTE:
    """Return what is inside of versions, at whatever depth: ``id``, and of which, ``outer``."""
    inside = (
        select(Member.ensemble_id.label("outer"), Member.member_id.label("id"))
        .where(Member.tenant_id == tenant_id, Member.ensemble_id.in_(ids))
        .cte("inside", recursive=True)
    )
    return inside.union(
        select(inside.c.outer, Member.member_id).where(
            Member.tenant_id == tenant_id, Member.ensemble_id == inside.c.id
        )
    )


async def inside_of(
    session: AsyncSession, tenant_id: UUID, ids: Collection[UUID]
) -> dict[UUID, UUID]:
    """Return the versions inside of versions, at whatever depth, each with its developer."""
    inside = _inside(tenant_id, ids)
    rows = await session.execute(
        select(Version.id, Version.developer_id)
        .join(inside, Version.id == inside.c.id)
        .where(Version.tenant_id == tenant_id)
    )
    return {row.id: row.developer_id for row in rows}


async def unfit_inside(
    session: AsyncSession, tenant_id: UUID, ids: Collection[UUID], *, lock: bool = False
) -> dict[UUID, list[tuple[Model, Version]]]:
    """Return what nobody should be answered by inside of versions, at whatever depth, by name.

    That is what was never validated, was sent back or is retired. With ``lock`` what is inside is
    held against a move meanwhile.
    """
    inside = _inside(tenant_id, ids)
    query = (
        select(inside.c.outer, Model, Version)
        .join(Version, Version.id == inside.c.id)
        .join(Model, (Model.tenant_id == Version.tenant_id) & (Model.id == Version.model_id))
        .where(Version.tenant_id == tenant_id)
        .order_by(Model.name, Version.number)
        .execution_options(populate_existing=lock)
    )
    rows = await session.execute(query.with_for_update(of=Version, read=True) if lock else query)
    found: dict[UUID, list[tuple[Model, Version]]] = {}
    for outer, model, version in rows:
        if version.stage not in FIT_INSIDE:
            found.setdefault(outer, []).append((model, version))
    return found


async def ensembles_of(
    session: AsyncSession, tenant_id: UUID, version_id: UUID
) -> list[tuple[Model, Version]]:
    """Return the ensembles that contain a version, at whatever depth and stage, by name."""
    around = (
        select(Member.ensemble_id.label("id"))
        .where(Member.tenant_id == tenant_id, Member.member_id == version_id)
        .cte("around", recursive=True)
    )
    around = around.union(
        select(Member.ensemble_id).where(
            Member.tenant_id == tenant_id, Member.member_id == around.c.id
        )
    )
    rows = await session.execute(
        select(Model, Version)
        .join(Version, (Version.tenant_id == Model.tenant_id) & (Version.model_id == Model.id))
        .join(around, Version.id == around.c.id)
        .where(Version.tenant_id == tenant_id)
        .order_by(Model.name, Version.number)
    )
    return [(model, version) for model, version in rows]
