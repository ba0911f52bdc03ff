"""Aliases: names that point at versions."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, identity
from app.catalog.rules import (
    Stage,
    VersionRetired,
    require_alias,
)
from app.catalog.service import model_of, require_right
from app.catalog.tables import Alias, Version
from app.catalog.versions import find_version
from app.kit.actor import Actor
from app.kit.refusal import NotFound
from app.platform.db import Database

_ALIASES = """
SELECT m.name, a.name, v.number, v.id
FROM unnest(%(models)s::text[], %(names)s::text[]) AS asked(model, name)
JOIN catalog_model m ON m.tenant_id = %(tenant)s AND m.name = asked.model
JOIN catalog_alias a ON a.tenant_id = m.tenant_id AND a.model_id = m.id AND a.name = asked.name
JOIN catalog_version v ON v.tenant_id = a.tenant_id AND v.id = a.version_id
"""


async def set_alias(
    session: AsyncSession, model_name: str, name: str, number: int, *, by: Actor
) -> dict[str, Any]:
    """Point an alias at a version."""
    require_alias(name)
    version = await find_version(session, model_name, number, by=by)
    model = await model_of(session, model_name, by=by, lock=True)
    await require_right(session, model, identity.Action.EDIT_MODEL, by=by)
    if version.stage is Stage.RETIRED:
        raise VersionRetired(f"{model_name}@{number} has served.", filled={"name": model_name})
    alias = await session.get(Alias, (by.tenant_id, model.id, name))
    if alias is None:
        alias = Alias(tenant_id=by.tenant_id, model_id=model.id, name=name)
        session.add(alias)
    alias.version_id = version.id
    await audit.record(
        session,
        by,
        "alias.set",
        f"model:{version.model_id}",
        alias=name,
        number=number,
        version_id=version.id,
    )
    return {"name": name, "number": number, "version_id": version.id}


async def get_alias(
    session: AsyncSession, model_name: str, name: str, *, by: Actor
) -> dict[str, Any]:
    """Return what an alias points at; ``latest`` is the newest version."""
    model = await model_of(session, model_name, by=by)
    query = select(Version).filter_by(tenant_id=by.tenant_id, model_id=model.id)
    if name == "latest":
        query = query.where(Version.number == model.last_number)
    else:
        query = query.join(
            Alias, (Alias.tenant_id == Version.tenant_id) & (Alias.version_id == Version.id)
        ).where(Alias.model_id == model.id, Alias.name == name)
    version = await session.scalar(query)
    if version is None:
        raise NotFound("alias", f"{model_name}@{name}")
    return {"name": name, "number": version.number, "version_id": version.id}


async def find_aliases(
    database: Database, tenant_id: UUID, asked: list[tuple[str, ...]]
) -> dict[tuple[str, ...], dict[str, Any]]:
    """Return what aliases point at, many at once, by model and name; those that there are."""
    models, names = (list(part) for part in zip(*asked, strict=True))
    values = {"tenant": tenant_id, "models": models, "names": names}
    rows = await database.ask(tenant_id, _ALIASES, values)
    return {
        (model, name): {"name": name, "number": number, "version_id": version_id}
        for model, name, number, version_id in rows
    }


async def delete_alias(session: AsyncSession, model_name: str, name: str, *, by: Actor) -> None:
    """Remove an alias."""
    model = await model_of(session, model_name, by=by, lock=True)
    await require_right(session, model, identity.Action.EDIT_MODEL, by=by)
    alias = await session.get(Alias, (by.tenant_id, model.id, name))
    if alias is None:
        raise NotFound("alias", f"{model_name}@{name}")
    await session.delete(alias)
    await audit.record(session, by, "alias.deleted", f"model:{model.id}", alias=name)


async def aliases_of(session: AsyncSession, tenant_id: UUID, version_id: UUID) -> list[str]:
    """Return the names that point at a version."""
    query = select(Alias.name).filter_by(tenant_id=tenant_id, version_id=version_id)
    return list(await session.scalars(query.order_by(Alias.name)))
