"""Search rows follow what they are made of, in the same flush: nobody who edits can forget them.

A version's own lexemes are written with it, its state's by whoever changes the state, its model's
for all its versions at once. Each writes its own part of a row only, so that two of them never undo
each other. Versions that an earlier release has left, or that could be found by
less there, are written by ``fill``.
"""

from typing import Any

from sqlalchemy import Connection, event, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapper

from app.catalog import lexemes
from app.catalog.held import Held
from app.catalog.tables import Model, Version
from app.platform.db import ALL_TENANTS, Database

_BATCH = 200
_SLICE = 2_000
_ADD = """
INSERT INTO catalog_search (tenant_id, version_id, model_id, ward, content, about, state)
VALUES (%(tenant_id)s, %(version_id)s, %(model_id)s, %(ward)s,
    array_to_tsvector(%(content)s::text[]), array_to_tsvector(%(about)s::text[]),
    array_to_tsvector(%(state)s::text[]))
ON CONFLICT (tenant_id, version_id) DO UPDATE SET content = excluded.content
"""
_STATE = text("""
UPDATE catalog_search SET state = array_to_tsvector(CAST(:state AS text[]))
WHERE tenant_id = :tenant_id AND version_id = :version_id
""")
_OF_MODEL = text("""
SELECT ordinal FROM catalog_search WHERE tenant_id = :tenant_id AND model_id = :model_id
ORDER BY ordinal
""")
_ABOUT = text("""
UPDATE catalog_search SET about = array_to_tsvector(CAST(:about AS text[]))
WHERE tenant_id = :tenant_id AND model_id = :model_id AND ordinal BETWEEN :first AND :last
""")
_OF_VERSION = ("stage", "tags")
_OF_ITS_MODEL = ("name", "purpose", "kind", "risk_tier", "owner_id", "tags")


def row_of(model: Model | Held, version: Version) -> dict[str, Any]:
    """Return what a version's search row holds."""
    ward = lexemes.ward(version.tenant_id)
    return {
        "tenant_id": version.tenant_id,
        "version_id": version.id,
        "model_id": version.model_id,
        "ward": ward,
        "content": _warded(ward, lexemes.content(_content(version))),
        "about": _warded(ward, _about(model)),
        "state": _warded(ward, lexemes.state(version.stage, version.tags)),
    }


def _content(version: Version) -> dict[str, Any]:
    return {
        "card": version.card,
        "training_data": version.training_data,
        "signature": version.signature,
        "source": version.source,
        "digest": version.digest,
        "lineage": version.lineage,
        "specifics": version.specifics,
    }


def _about(model: Model | Held) -> tuple[str, ...]:
    tags = tuple(model.tags.items())
    return lexemes.about(
        model.name, model.purpose, model.kind, model.risk_tier, model.owner_id, tags
    )


def _warded(ward: str, found: "list[str] | tuple[str, ...]") -> list[str]:
    return [ward + lexeme for lexeme in found]


@event.listens_for(Version, "after_update")
def _follow_state(_: Mapper[Version], connection: Connection, version: Version) -> None:
    if _changed(version, _OF_VERSION):
        ward = lexemes.ward(version.tenant_id)
        state = _warded(ward, lexemes.state(version.stage, version.tags))
        values = {"tenant_id": version.tenant_id, "version_id": version.id, "state": state}
        connection.execute(_STATE, values)


@event.listens_for(Model, "after_update")
def _follow_model(_: Mapper[Model], connection: Connection, model: Model) -> None:
    if not _changed(model, _OF_ITS_MODEL):
        return
    key = {"tenant_id": model.tenant_id, "model_id": model.id}
    about = _warded(lexemes.ward(model.tenant_id), _about(model))
    places = list(connection.execute(_OF_MODEL, key).scalars())
    for at in range(0, len(places), _SLICE):
        part = places[at : at + _SLICE]
        connection.execute(_ABOUT, {**key, "about": about, "first": part[0], "last": part[-1]})


def _changed(row: Any, columns: tuple[str, ...]) -> bool:
    attributes = inspect(row).attrs
    return any(attributes[name].history.has_changes() for name in columns)


async def fill(database: Database) -> None:
    """Write the search rows of versions that a release without search has left."""
    while await _fill_some(database):
        pass


async def _fill_some(database: Database) -> int:
    """Fill a batch; a version that is being changed waits, and so does its model."""
    async with database.transaction(ALL_TENANTS) as session:
        waiting = await _waiting(session)
        connection = await session.connection()
        for model, version in waiting:
            await connection.exec_driver_sql(_ADD, row_of(model, version))
            version.searched = True
        return len(waiting)


async def _waiting(session: AsyncSession) -> list[tuple[Model, Version]]:
    rows = await session.execute(
        select(Model, Version)
        .join(Version, (Version.tenant_id == Model.tenant_id) & (Version.model_id == Model.id))
        .where(Version.searched.is_(None))
        .order_by(Version.tenant_id, Version.id)
        .limit(_BATCH)
        .with_for_update(skip_locked=True)
    )
    return [(model, version) for model, version in rows]
