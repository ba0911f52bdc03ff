from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, identity
from app.catalog.events import VersionRegistered
from app.catalog.rules import (
    AssetKind,
    ReturnTo,
    RiskTier,
    Stage,
    require_alias,
    require_source,
)
from app.catalog.tables import Alias, Model, Version
from app.kit.actor import Actor
from app.kit.canonical import digest as digest_of
from app.kit.page import Rows, decode
from app.kit.refusal import AlreadyExists, NotFound
from app.kit.revision import require_current
from app.platform.db import page
from app.platform.events import publish

VersionRef = tuple[str, int]


async def create_model(
    session: AsyncSession,
    *,
    name: str,
    kind: AssetKind,
    risk_tier: RiskTier,
    owner: str,
    purpose: str,
    tags: dict[str, str],
    by: Actor,
) -> Model:
    """Catalogue a new asset."""
    if await session.scalar(select(Model.id).filter_by(tenant_id=by.tenant_id, name=name)):
        raise AlreadyExists("model", name)
    model = Model(
        tenant_id=by.tenant_id,
        name=name,
        kind=kind,
        risk_tier=risk_tier,
        owner_id=await identity.owner_of(session, by.tenant_id, owner),
        purpose=purpose,
        tags=tags,
    )
    session.add(model)
    await session.flush()
    await audit.record(
        session, by, "model.created", f"model:{model.id}",
        name=name, kind=kind, risk_tier=risk_tier, owner=owner,
    )  # fmt: skip
    return model


async def model_of(session: AsyncSession, name: str, *, by: Actor, lock: bool = False) -> Model:
    """Return a model of the caller's tenant by name."""
    query = select(Model).filter_by(tenant_id=by.tenant_id, name=name)
    model = await session.scalar(query.with_for_update() if lock else query)
    if model is None:
        raise NotFound("model", name)
    return model


async def edit_model(
    session: AsyncSession, name: str, *, expected: int, changes: dict[str, Any], by: Actor
) -> Model:
    """Change purpose, owner or tags of the model, if it is still at ``expected``."""
    model = await model_of(session, name, by=by, lock=True)
    require_current(expected, model.revision)
    if "owner" in changes:
        owner = changes.pop("owner")
        model.owner_id = await identity.owner_of(session, by.tenant_id, owner)
        changes["owner_id"] = model.owner_id
    for field, value in changes.items():
        setattr(model, field, value)
    model.revision += 1
    model.updated_at = func.now()
    await session.flush()
    await session.refresh(model)
    await audit.record(session, by, "model.edited", f"model:{model.id}", **changes)
    return model


async def search_models(
    session: AsyncSession,
    *,
    text: str | None,
    kind: AssetKind | None,
    risk_tier: RiskTier | None,
    tag: str | None,
    cursor: str | None,
    limit: int,
    by: Actor,
) -> Rows[Model]:
    """Search models by words of name or purpose, kind, tier and tag, ordered by name."""
    query = select(Model).filter_by(tenant_id=by.tenant_id)
    if text:
        query = query.where(
            or_(
                Model.name.icontains(text, autoescape=True),
                Model.purpose.icontains(text, autoescape=True),
            )
        )
    if kind is not None:
        query = query.where(Model.kind == kind)
    if risk_tier is not None:
        query = query.where(Model.risk_tier == risk_tier)
    if tag is not None:
        key, colon, value = tag.partition(":")
        query = query.where(Model.tags.contains({key: value}) if colon else Model.tags.has_key(key))
    if cursor is not None:
        query = query.where(Model.name > decode(cursor, str)[0])
    return await page(session, query.order_by(Model.name), limit, lambda row: [row.name])


async def register_version(
    session: AsyncSession, model_name: str, *, content: dict[str, Any], by: Actor
) -> Version:
    """Publish the next version of a model."""
    require_source(content["source"])
    model = await model_of(session, model_name, by=by, lock=True)
    tags = content.pop("tags")
    for parent in content["lineage"]["parents"]:
        if not 1 <= parent <= model.last_number:
            raise NotFound("parent version", f"{model_name}@{parent}")
    model.last_number += 1
    version = Version(
        tenant_id=by.tenant_id,
        model_id=model.id,
        number=model.last_number,
        content_digest=digest_of({"model": model.id, **content}),
        tags=tags,
        developer_id=by.person_id,
        **content,
    )
    session.add(version)
    await session.flush()
    await audit.record(
        session, by, "version.published", f"version:{version.id}",
        model=model_name, number=version.number, content_digest=version.content_digest,
    )  # fmt: skip
    await publish(
        session,
        VersionRegistered(
            tenant_id=by.tenant_id,
            version_id=version.id,
            model=model_name,
            number=version.number,
        ),
    )
    return version


async def find_version(
    session: AsyncSession, model_name: str, number: int, *, by: Actor, lock: bool = False
) -> Version:
    """Return a version by its model's name and its number."""
    query = (
        select(Version)
        .join(Model, (Model.tenant_id == Version.tenant_id) & (Model.id == Version.model_id))
        .where(
            Version.tenant_id == by.tenant_id,
            Model.name == model_name,
            Version.number == number,
        )
    )
    found = await session.scalar(query.with_for_update(of=Version) if lock else query)
    if found is None:
        raise NotFound("version", f"{model_name}@{number}")
    return found


async def version_by_id(session: AsyncSession, tenant_id: UUID, version_id: UUID) -> Version:
    """Return a version by its id."""
    found = await session.get(Version, (tenant_id, version_id))
    if found is None:
        raise NotFound("version", version_id)
    return found


async def versions_by_id(
    session: AsyncSession, tenant_id: UUID, ids: set[UUID]
) -> dict[UUID, tuple[Model, Version]]:
    """Return versions with their models, by version id."""
    rows = await session.execute(
        select(Model, Version)
        .join(Model, (Model.tenant_id == Version.tenant_id) & (Model.id == Version.model_id))
        .where(Version.tenant_id == tenant_id, Version.id.in_(ids))
    )
    return {version.id: (model, version) for model, version in rows}


async def lock_version(session: AsyncSession, tenant_id: UUID, version_id: UUID) -> Version:
    """Return a version, locked until the transaction ends."""
    found = await session.get(
        Version, (tenant_id, version_id), with_for_update=True, populate_existing=True
    )
    if found is None:
        raise NotFound("version", version_id)
    return found


async def restage(
    session: AsyncSession,
    version: Version,
    stage: Stage,
    *,
    returned_to: ReturnTo | None = None,
) -> None:
    """Write a version's stage; whether the move is legal is the lifecycle's to say."""
    version.stage = stage
    version.returned_to = returned_to
    version.revision += 1
    await session.flush()


async def edit_version(
    session: AsyncSession,
    model_name: str,
    number: int,
    *,
    expected: int,
    tags: dict[str, str],
    by: Actor,
) -> Version:
    """Replace a version's tags, if it is still at ``expected``."""
    version = await find_version(session, model_name, number, by=by, lock=True)
    require_current(expected, version.revision)
    version.tags = tags
    version.revision += 1
    await session.flush()
    await audit.record(session, by, "version.tagged", f"version:{version.id}", tags=tags)
    return version


async def list_versions(
    session: AsyncSession,
    model_name: str,
    *,
    stage: Stage | None,
    cursor: str | None,
    limit: int,
    by: Actor,
) -> Rows[Version]:
    """List a model's versions, newest first."""
    model = await model_of(session, model_name, by=by)
    query = select(Version).filter_by(tenant_id=by.tenant_id, model_id=model.id)
    if stage is not None:
        query = query.where(Version.stage == stage)
    if cursor is not None:
        query = query.where(Version.number < decode(cursor, int)[0])
    return await page(
        session, query.order_by(Version.number.desc()), limit, lambda row: [row.number]
    )


async def set_alias(
    session: AsyncSession, model_name: str, name: str, number: int, *, by: Actor
) -> dict[str, Any]:
    """Point an alias at a version."""
    require_alias(name)
    version = await find_version(session, model_name, number, by=by)
    await session.execute(
        insert(Alias)
        .values(tenant_id=by.tenant_id, model_id=version.model_id, name=name, version_id=version.id)
        .on_conflict_do_update(
            index_elements=[Alias.tenant_id, Alias.model_id, Alias.name],
            set_={"version_id": version.id, "set_at": func.now()},
        )
    )
    await audit.record(
        session, by, "alias.set", f"model:{version.model_id}", alias=name, number=number
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


async def delete_alias(session: AsyncSession, model_name: str, name: str, *, by: Actor) -> None:
    """Remove an alias."""
    model = await model_of(session, model_name, by=by)
    gone = await session.scalar(
        delete(Alias)
        .filter_by(tenant_id=by.tenant_id, model_id=model.id, name=name)
        .returning(Alias.name)
    )
    if gone is None:
        raise NotFound("alias", f"{model_name}@{name}")
    await audit.record(session, by, "alias.deleted", f"model:{model.id}", alias=name)
