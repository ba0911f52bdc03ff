"""Instances: the same version, set up for one segment each."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, identity
from app.catalog.events import InstanceEnded, InstanceMade
from app.catalog.rules import NotYourModel, Stage, VersionRetired, require_endpoint
from app.catalog.service import model_of, require_right
from app.catalog.tables import Instance, Version
from app.catalog.versions import find_version, has_part_in
from app.kit.actor import Actor
from app.kit.page import Rows
from app.kit.refusal import AlreadyExists, NotFound
from app.platform.db import page
from app.platform.events import publish


async def make_instance(
    session: AsyncSession,
    model_name: str,
    number: int,
    *,
    key: str,
    segment: dict[str, str],
    parameters: dict[str, Any],
    endpoint: str | None,
    by: Actor,
) -> Instance:
    """Set a version up for a segment."""
    if endpoint is not None:
        require_endpoint(endpoint)
    version = await _editable(session, model_name, number, by=by)
    if version.stage is Stage.RETIRED:
        raise VersionRetired(f"{model_name}@{number} is retired.", filled={"name": model_name})
    if await _standing(session, version, key) is not None:
        raise AlreadyExists("instance", key)
    instance = Instance(
        tenant_id=by.tenant_id,
        version_id=version.id,
        key=key,
        segment=segment,
        parameters=parameters,
        endpoint=endpoint,
        author_id=by.person_id,
    )
    session.add(instance)
    try:
        await session.flush()
    except IntegrityError as error:  # made by another request at the same moment
        raise AlreadyExists("instance", key) from error
    await session.refresh(instance)
    await audit.record(
        session, by, "instance.made", f"version:{version.id}",
        instance=instance.id, key=key, segment=segment, parameters=parameters, endpoint=endpoint,
    )  # fmt: skip
    await publish(
        session,
        InstanceMade(
            tenant_id=by.tenant_id, version_id=version.id, model=model_name, number=number, key=key
        ),
    )
    return instance


async def end_instance(
    session: AsyncSession, model_name: str, number: int, key: str, *, by: Actor
) -> None:
    """End an instance; it stays in the list, with the date."""
    version = await _editable(session, model_name, number, by=by)
    instance = await _standing(session, version, key, lock=True)
    if instance is None:
        raise NotFound("instance", key)
    instance.ended_at = func.now()
    await session.flush()
    await audit.record(
        session, by, "instance.ended", f"version:{version.id}", instance=instance.id, key=key
    )
    await publish(
        session,
        InstanceEnded(
            tenant_id=by.tenant_id, version_id=version.id, model=model_name, number=number, key=key
        ),
    )


async def find_instance(
    session: AsyncSession, model_name: str, number: int, key: str, *, by: Actor
) -> Instance:
    """Return an instance of a version by its key, unless it has ended."""
    version = await find_version(session, model_name, number, by=by)
    instance = await _standing(session, version, key)
    if instance is None:
        raise NotFound("instance", key)
    return instance


async def list_instances(
    session: AsyncSession,
    model_name: str,
    number: int,
    *,
    ended: bool,
    cursor: str | None,
    limit: int,
    by: Actor,
) -> Rows[Instance]:
    """List a version's instances by key, on demand with those that have ended."""
    version = await find_version(session, model_name, number, by=by)
    query = select(Instance).filter_by(tenant_id=by.tenant_id, version_id=version.id)
    if not ended:
        query = query.where(Instance.ended_at.is_(None))
    return await page(session, query, Instance.key, Instance.id, cursor=cursor, limit=limit)


async def instances_of(session: AsyncSession, tenant_id: UUID, version_id: UUID) -> list[Instance]:
    """Return the instances of a version that have not ended, by key."""
    return (await instances_of_all(session, tenant_id, {version_id}))[version_id]


async def instances_of_all(
    session: AsyncSession, tenant_id: UUID, version_ids: Collection[UUID]
) -> dict[UUID, list[Instance]]:
    """Return the instances of versions that have not ended, by version and then by key."""
    found: dict[UUID, list[Instance]] = {version_id: [] for version_id in version_ids}
    if not found:
        return found
    query = select(Instance).filter_by(tenant_id=tenant_id, ended_at=None)
    rows = await session.scalars(query.where(Instance.version_id.in_(found)).order_by(Instance.key))
    for row in rows:
        found[row.version_id].append(row)
    return found


def set_up(instance: Instance) -> dict[str, Any]:
    """Return as what an instance answers: all of it that can make a difference."""
    names = ("key", "segment", "endpoint", "parameters")
    return {name: getattr(instance, name) for name in names}


async def instances_by_key(
    session: AsyncSession,
    tenant_id: UUID,
    version_ids: Collection[UUID],
    keys: Collection[str],
    *,
    lock: bool = False,
) -> dict[tuple[UUID, str], Instance]:
    """Return versions' standing instances of some keys; locked, they stand until the commit."""
    query = select(Instance).where(
        Instance.tenant_id == tenant_id,
        Instance.version_id.in_(version_ids),
        Instance.key.in_(keys),
        Instance.ended_at.is_(None),
    )
    rows = await session.scalars(query.with_for_update(read=True) if lock else query)
    return {(row.version_id, row.key): row for row in rows}


async def _editable(session: AsyncSession, model_name: str, number: int, *, by: Actor) -> Version:
    """Return a version, locked, of whose model the caller may publish versions and has a part.

    An instance answers in the version's place: that is for nobody who knows nothing of it.
    """
    version = await find_version(session, model_name, number, by=by, lock=True)
    model = await model_of(session, model_name, by=by)
    await require_right(session, model, identity.Action.PUBLISH_VERSION, by=by)
    if not await has_part_in(session, model_name, by.person_id, by=by):
        raise NotYourModel(f"{by.name} neither owns {model_name} nor developed any of it.")
    return version


async def _standing(
    session: AsyncSession, version: Version, key: str, *, lock: bool = False
) -> Instance | None:
    query = select(Instance).filter_by(
        tenant_id=version.tenant_id, version_id=version.id, key=key, ended_at=None
    )
    found: Instance | None = await session.scalar(query.with_for_update() if lock else query)
    return found
