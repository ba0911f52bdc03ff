"""Registering: versions of one tenant, one or many, by the same few statements.

A batch is one transaction: the models are locked, in one order; whoever is refused is refused by
himself and takes no number; the others are numbered, and written by one statement with their
models' last numbers and their search rows. Governed rows that a statement over many writes pass by
what a session keeps for its next entry, so that their fingerprints come back from the statement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, identity
from app.catalog import descent, ensembles, indexing
from app.catalog.content import digest_over
from app.catalog.events import VersionRegistered
from app.catalog.held import Held
from app.catalog.rules import Stage, require_source
from app.catalog.specifics import require_specifics
from app.catalog.tables import Member, Version
from app.kit.actor import Actor
from app.kit.ids import uuid7
from app.kit.refusal import NotFound, Refusal
from app.platform.coalescing import Coalesced
from app.platform.db import Database
from app.platform.events import publish

_LANES = 8
_PATIENT_LANES = 4
_MOST = 64
_PATIENCE = 0.002
_LOCK = """
SELECT tenant_id, id, name, kind, risk_tier, owner_id, purpose, tags, last_number
FROM catalog_model
WHERE tenant_id = %(tenant)s AND name = ANY(%(names)s) ORDER BY id FOR NO KEY UPDATE
"""
_LOCK_FREE = f"{_LOCK} SKIP LOCKED"
_VERSIONS = """
WITH sent AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS sent(
        place bigint, id uuid, model_id uuid, number bigint, source text, digest text,
        signature jsonb, training_data jsonb, lineage jsonb, card jsonb, specifics jsonb,
        content_digest text, stage text, tags jsonb, revision bigint, developer_id uuid,
        ward text, content text[], about text[], state text[]
    )
), counted AS (
    UPDATE catalog_model m SET last_number = last.number
    FROM (SELECT model_id, max(number) AS number FROM sent GROUP BY model_id) AS last
    WHERE m.tenant_id = %(tenant)s AND m.id = last.model_id
), found_by AS (
    INSERT INTO catalog_search (tenant_id, version_id, model_id, ward, content, about, state)
    SELECT %(tenant)s, id, model_id, ward, array_to_tsvector(content), array_to_tsvector(about),
        array_to_tsvector(state)
    FROM sent ORDER BY place
)
INSERT INTO catalog_version (tenant_id, id, model_id, number, source, digest, signature,
    training_data, lineage, card, specifics, content_digest, stage, tags, revision, developer_id,
    searched)
SELECT %(tenant)s, id, model_id, number, source, digest, signature, training_data, lineage, card,
    specifics, content_digest, stage, tags, revision, developer_id, true
FROM sent
RETURNING id, created_at, """ + audit.fingerprint_sql(Version)  # noqa: S608 - our own columns
_MEMBERS = """
INSERT INTO catalog_member (tenant_id, ensemble_id, member_id, position, role, weight)
SELECT %(tenant)s, ensemble_id, member_id, position, role, weight
FROM jsonb_to_recordset(%(rows)s::jsonb) AS sent(
    ensemble_id uuid, member_id uuid, position bigint, role text, weight double precision
)
RETURNING ensemble_id, member_id, """ + audit.fingerprint_sql(Member)
_SENT = (
    "id", "model_id", "number", "source", "digest", "signature", "training_data", "lineage",
    "card", "specifics", "content_digest", "stage", "tags", "revision", "developer_id",
)  # fmt: skip


_Made = Version | Refusal | None
"""What came of a registration; nothing where somebody else holds its model."""


@dataclass(frozen=True, slots=True)
class Registration:
    """What somebody publishes as the next version of a model."""

    model: str
    content: dict[str, Any]
    """All that never changes of a version, by its columns."""
    tags: dict[str, str]
    by: Actor


@dataclass(frozen=True, slots=True)
class _Numbered:
    """A registration that stands, at its place."""

    asked: Registration
    model: Held
    version: Version
    members: list[Member]


class Registrar:
    """Registers the versions of one process: calls that come together share a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # One transaction of a tenant at a time: two would wait for each other's models.
        self._at_once = Coalesced(
            self._commit,
            nobodys_fault=_nobodys_fault,
            lanes=_LANES,
            each=1,
            most=_MOST,
            patience=_PATIENCE,
        )
        self._patiently = Coalesced(
            self._wait, nobodys_fault=_nobodys_fault, lanes=_PATIENT_LANES, each=1, most=_MOST
        )

    async def register(self, asked: Registration) -> Version:
        """Publish the next version of a model; return it once it is committed.

        A model that somebody else holds is waited for with its own versions only, and so are the
        members of an ensemble, which are locked as well.
        """
        made = None
        if not (asked.content.get("specifics") or {}).get("members"):
            made = await self._at_once(asked.by.tenant_id, asked)
        if made is None:
            made = await self._patiently((asked.by.tenant_id, asked.model), asked)
        return _version(made)

    async def _commit(self, tenant_id: UUID, asked: Sequence[Registration]) -> list[_Made]:
        async with self._database.transaction(tenant_id) as session:
            return await register_versions(session, tenant_id, asked, wait=False)

    async def _wait(self, of: tuple[UUID, str], asked: Sequence[Registration]) -> list[_Made]:
        tenant_id, _ = of
        async with self._database.transaction(tenant_id) as session:
            return await register_versions(session, tenant_id, asked)


def _nobodys_fault(error: Exception) -> bool:
    """Say whether writing again is of no use, or not known to be harmless.

    Whether a connection that was lost had committed is not known; who waited too long for a lock
    has waited.
    """
    if isinstance(error, DBAPIError):
        late = isinstance(error.orig, psycopg.errors.LockNotAvailable)
        return error.connection_invalidated or late
    return isinstance(error, OSError)


async def register_version(session: AsyncSession, asked: Registration) -> Version:
    """Publish the next version of a model."""
    (made,) = await register_versions(session, asked.by.tenant_id, [asked])
    return _version(made)


def _version(made: _Made) -> Version:
    if isinstance(made, Refusal):
        raise made
    assert made is not None  # noqa: S101 - who waits is answered
    return made


async def register_versions(
    session: AsyncSession, tenant_id: UUID, asked: Sequence[Registration], *, wait: bool = True
) -> list[_Made]:
    """Publish versions in their order; return each, or why it is refused.

    Without ``wait`` nobody waits for a model that somebody else holds: for its versions, and for
    those of models that do not exist, nothing is returned.
    """
    models = await _lock(session, tenant_id, {one.model for one in asked}, wait=wait)
    rights = await identity.rights_of(session, tenant_id)
    made: list[_Made] = []
    numbered: list[_Numbered] = []
    for one in asked:
        if one.model not in models and not wait:
            made.append(None)
            continue
        try:
            standing = await _number(session, one, models.get(one.model), rights)
        except Refusal as refusal:
            made.append(refusal)
        else:
            numbered.append(standing)
            made.append(standing.version)
    if numbered:
        await _write(session, tenant_id, numbered)
    return made


async def _lock(
    session: AsyncSession, tenant_id: UUID, names: set[str], *, wait: bool
) -> dict[str, Held]:
    """Return models by name, locked in one order; an edit of theirs waits, their readers do not."""
    connection = await session.connection()
    values = {"tenant": tenant_id, "names": list(names)}
    found = await connection.exec_driver_sql(_LOCK if wait else _LOCK_FREE, values)
    models = [Held(**row) for row in found.mappings()]
    return {model.name: model for model in models}


async def _number(
    session: AsyncSession,
    asked: Registration,
    model: Held | None,
    rights: identity.DecisionRights,
) -> _Numbered:
    """Refuse a registration, or give it the next number of its model."""
    by, content = asked.by, asked.content
    require_source(content["source"])
    if model is None:
        raise NotFound("model", asked.model)
    action = identity.Action.PUBLISH_VERSION
    identity.require_allowed(rights, by, action, tier=model.risk_tier, model=model.name)
    specifics = content.get("specifics")
    require_specifics(model.kind, specifics)
    members = await ensembles.require_members(session, model, specifics)
    number = model.last_number + 1
    for parent in content["lineage"]["parents"]:
        if not 1 <= parent < number:
            raise NotFound("parent version", f"{asked.model}@{parent}")
    if specifics is None:
        # What says nothing of its kind has the digest that it had before there were kinds.
        content = {name: value for name, value in content.items() if name != "specifics"}
    version = Version(
        tenant_id=by.tenant_id,
        id=uuid7(),
        model_id=model.id,
        number=number,
        content_digest=digest_over(model.id, content),
        specifics=specifics,
        stage=Stage.PUBLISHED,
        returned_to=None,
        tags=asked.tags,
        revision=1,
        developer_id=by.person_id,
        **{name: value for name, value in content.items() if name != "specifics"},
    )
    model.last_number = number  # of the next registration; the row is moved with the versions
    for member in members:
        member.ensemble_id = version.id
    return _Numbered(asked, model, version, members)


async def _write(session: AsyncSession, tenant_id: UUID, numbered: Sequence[_Numbered]) -> None:
    """Write what stands, what it is found by, and what tells of it."""
    sent = [
        {name: getattr(one.version, name) for name in _SENT}
        | indexing.row_of(one.model, one.version)
        | {"place": place}
        for place, one in enumerate(numbered)
    ]
    written = {row[0]: row for row in await _execute(session, _VERSIONS, tenant_id, sent)}
    wrote: dict[UUID, dict[str, str]] = {}
    for one in numbered:
        version = one.version
        _, version.created_at, fingerprint = written[version.id]
        wrote[version.id] = {audit.row_key(Version, version.id): fingerprint}
    if members := [_shown(member) for one in numbered for member in one.members]:
        for ensemble, member, fingerprint in await _execute(session, _MEMBERS, tenant_id, members):
            wrote[ensemble][audit.row_key(Member, ensemble, member)] = fingerprint
    await descent.index(session, [one.version for one in numbered])
    await audit.record_all(
        session, tenant_id, [_act(one, wrote[one.version.id]) for one in numbered]
    )
    await publish(session, *(_event(one) for one in numbered))


async def _execute(
    session: AsyncSession, statement: str, tenant_id: UUID, rows: list[dict[str, Any]]
) -> Sequence[Any]:
    connection = await session.connection()
    values = {"tenant": tenant_id, "rows": orjson.dumps(rows).decode()}
    return (await connection.exec_driver_sql(statement, values)).all()


def _shown(member: Member) -> dict[str, Any]:
    names = ("ensemble_id", "member_id", "position", "role", "weight")
    return {name: getattr(member, name) for name in names}


def _act(one: _Numbered, wrote: dict[str, str]) -> audit.Act:
    version = one.version
    return audit.Act(
        actor=one.asked.by,
        action="version.published",
        stream=f"version:{version.id}",
        details={
            "model": one.model.name,
            "number": version.number,
            "content_digest": version.content_digest,
        },
        wrote=wrote,
    )


def _event(one: _Numbered) -> VersionRegistered:
    return VersionRegistered(
        tenant_id=one.version.tenant_id,
        version_id=one.version.id,
        model=one.model.name,
        number=one.version.number,
    )
