"""Versions: found by number, moved from stage to stage."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, identity
from app.catalog import descent
from app.catalog.rules import READS_ALL, NotYoursToRead, ReturnTo, Stage
from app.catalog.service import model_of, require_right
from app.catalog.tables import Model, Version
from app.kit.actor import Actor
from app.kit.page import Rows
from app.kit.refusal import NotFound
from app.kit.revision import require_current
from app.platform.db import page


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


async def has_part_in(session: AsyncSession, name: str, person_id: UUID, *, by: Actor) -> bool:
    """Say whether somebody owns a model, or developed a version of it."""
    developed = select(Version.id).where(
        Version.tenant_id == Model.tenant_id,
        Version.model_id == Model.id,
        Version.developer_id == person_id,
    )
    mine = select(Model.id).where(
        Model.tenant_id == by.tenant_id,
        Model.name == name,
        (Model.owner_id == person_id) | developed.exists(),
    )
    return await session.scalar(mine) is not None


async def history_of(
    session: AsyncSession,
    model_name: str,
    number: int,
    *,
    origins: bool,
    cursor: str | None,
    limit: int,
    by: Actor,
) -> Rows[dict[str, Any]]:
    """Return everything that was done about a version, in order of time.

    With ``origins`` that includes what was done about the versions it was forked from: whoever took
    one over answers for what it brings along.
    """
    version = await find_version(session, model_name, number, by=by)
    if READS_ALL.isdisjoint(by.permissions) and not await has_part_in(
        session, model_name, by.person_id, by=by
    ):
        raise NotYoursToRead(
            f"{by.name} neither owns {model_name} nor developed any of it.",
            filled={"name": model_name},
        )
    before = await descent.origins_of(session, version) if origins else set()
    asked = audit.Asked(version_ids=frozenset({version.id, *before}))
    return await audit.history(session, by, asked, cursor=cursor, limit=limit, newest_first=False)


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


async def versions_with_digest(
    session: AsyncSession, tenant_id: UUID, digest: str, *, most: int
) -> list[tuple[str, int]]:
    """Return which versions have an artefact's digest, as model and number, the newest first."""
    rows = await session.execute(
        select(Model.name, Version.number)
        .join(Version, (Version.tenant_id == Model.tenant_id) & (Version.model_id == Model.id))
        .where(Version.tenant_id == tenant_id, Version.digest == digest)
        .order_by(Version.created_at.desc(), Version.id.desc())
        .limit(most)
    )
    return [(name, number) for name, number in rows]


async def hold_version(
    session: AsyncSession, tenant_id: UUID, version_id: ColumnElement[UUID]
) -> None:
    """Keep others from moving a version until the transaction ends."""
    query = select(Version.id).where(Version.tenant_id == tenant_id, Version.id == version_id)
    await session.execute(query.with_for_update())


async def lock_alike(session: AsyncSession, tenant_id: UUID, version_id: UUID) -> set[UUID]:
    """Return a version and those of its model that are of the same artefact, locked in order.

    By its digest, or where it has none by where it lies.
    """
    version = await version_by_id(session, tenant_id, version_id)
    named = Version.source if version.digest is None else Version.digest
    same = (Version.model_id == version.model_id) & (named == (version.digest or version.source))
    query = select(Version.id).where(
        Version.tenant_id == tenant_id, or_(Version.id == version_id, same)
    )
    return set(await session.scalars(query.order_by(Version.id).with_for_update()))


async def with_digest_of(session: AsyncSession, tenant_id: UUID, version_id: UUID) -> set[UUID]:
    """Return the versions of whatever model that are of a version's artefact, by its digest."""
    version = await version_by_id(session, tenant_id, version_id)
    if version.digest is None:
        return {version_id}
    query = select(Version.id).filter_by(tenant_id=tenant_id, digest=version.digest)
    return set(await session.scalars(query))


async def developers_of(session: AsyncSession, model: Model) -> set[UUID]:
    """Return who registered versions of a model, or what versions of it were forked from."""
    own = select(Version).filter_by(tenant_id=model.tenant_id, model_id=model.id)
    registered = own.with_only_columns(Version.developer_id).distinct()
    forks = own.with_only_columns(Version.id).where(Version.lineage.has_key("forked_from"))
    origins = await descent.origin_developers(
        session, model.tenant_id, set(await session.scalars(forks))
    )
    return {*await session.scalars(registered), *origins}


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
    model = await model_of(session, model_name, by=by)
    await require_right(session, model, identity.Action.EDIT_MODEL, by=by)
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
    return await page(session, query, Version.number, cursor=cursor, limit=limit, newest_first=True)


async def version_ids(
    session: AsyncSession, tenant_id: UUID, wanted: set[tuple[str, int]]
) -> dict[tuple[str, int], UUID]:
    """Return the ids of versions given as model and number."""
    if not wanted:
        return {}
    rows = await session.execute(
        select(Model.name, Version.number, Version.id)
        .join(Version, (Version.tenant_id == Model.tenant_id) & (Version.model_id == Model.id))
        .where(
            Model.tenant_id == tenant_id,
            Model.name.in_({name for name, _ in wanted}),
            Version.number.in_({number for _, number in wanted}),
        )
    )
    return {(name, number): version_id for name, number, version_id in rows}
