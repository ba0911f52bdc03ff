"""Taking profiles that others have counted: one transaction, folded by the worker as events are."""

import asyncio
import hashlib
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog
from app.kit.actor import Actor
from app.kit.canonical import digest as digest_of
from app.kit.ids import uuid7
from app.kit.refusal import NotFound
from app.kit.strictjson import loads_flat
from app.platform.db import Database, clock, driver
from app.telemetry import given, store
from app.telemetry.given import BadProfile, Given, GivenBefore, OtherLayout
from app.telemetry.layout import Layout
from app.telemetry.sheaf import NewDelta
from app.telemetry.tables import Baseline, GivenProfile, ProfileKind
from app.telemetry.tally import Tally

Place = tuple[UUID, UUID, dict[str, Any]]
"""Decision point, version, and the version's layout as it is stored."""


async def take(database: Database, actor: Actor, body: bytes) -> tuple[int, bytes]:
    """Take a profile; one that was taken before is not doubled. The answer follows COMMIT."""
    sent, digest = await asyncio.to_thread(_understood, body)
    named = _named(sent)
    async with database.session(actor.tenant_id) as session:
        point_id, version_id, layout = await _place(session, sent, actor)
        now = await clock(session)
    hours = await asyncio.to_thread(_counted, sent, layout, now)
    row = {"id": named, "digest": digest, "sender_id": actor.id}
    async with database.transaction(actor.tenant_id) as session:
        fresh = await _keep(session, actor.tenant_id, (point_id, version_id, sent.arm), row, hours)
    rows = sum(tally.n for _, tally in hours)
    answer = {"id": str(named), "hours": len(hours), "rows": rows, "duplicate": not fresh}
    return 200, orjson.dumps(answer)


def _understood(body: bytes) -> tuple[Given, str]:
    sent = loads_flat(body)
    found = given.read(sent)
    return found, hashlib.sha256(orjson.dumps(sent, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _named(sent: Given) -> UUID:
    try:
        return UUID(sent.id)
    except ValueError as error:
        raise BadProfile("id", "is a UUID, your own name for the profile.") from error


async def _place(session: AsyncSession, sent: Given, actor: Actor) -> Place:
    """Return where a profile belongs; its version has a baseline, and these are its bins."""
    point = await catalog.point_by_key(session, sent.point, by=actor)
    version = await catalog.find_version(session, sent.model, sent.version, by=actor)
    layout = await session.scalar(
        select(Baseline.layout).filter_by(tenant_id=actor.tenant_id, version_id=version.id)
    )
    if layout is None:
        raise NotFound("baseline of version", f"{sent.model}@{sent.version}")
    return point.id, version.id, layout


def layout_digest(layout: dict[str, Any]) -> str:
    """Return what names a version's bins."""
    return digest_of(layout)


def _counted(sent: Given, layout: dict[str, Any], now: datetime) -> list[tuple[int, Tally]]:
    if sent.layout_digest != layout_digest(layout):
        raise OtherLayout(
            f"The bins of {sent.model}@{sent.version} have another digest.",
            filled={"model": sent.model, "version": sent.version},
        )
    return given.tallies(sent.hours, Layout.load(layout), now=now)


async def _keep(
    session: AsyncSession,
    tenant_id: UUID,
    group: tuple[UUID, UUID, str],
    row: dict[str, Any],
    hours: list[tuple[int, Tally]],
) -> bool:
    """Write a profile's deltas if its id is new; who sends it at the same time waits here."""
    connection = await driver(session)
    point_id, version_id, arm = group
    series = await store.series_id(
        connection, tenant_id, point_id.bytes, version_id.bytes, arm, new=uuid7()
    )
    series_id = UUID(bytes=series)
    whole = {
        **row,
        "tenant_id": tenant_id,
        "series_id": series_id,
        "hours": len(hours),
        "rows": sum(tally.n for _, tally in hours),
    }
    fresh = await session.scalar(
        insert(GivenProfile)
        .values(whole)
        .on_conflict_do_nothing(index_elements=["tenant_id", "id"])
        .returning(GivenProfile.id)
    )
    if fresh is None:
        known = await session.scalar(
            select(GivenProfile.digest).filter_by(tenant_id=tenant_id, id=row["id"])
        )
        if known != row["digest"]:
            raise GivenBefore("profile", row["id"])
        return False
    deltas = [NewDelta(series_id, hour, tally.n, tally.encode()) for hour, tally in hours]
    await store.append_deltas(connection, tenant_id, ProfileKind.INPUTS, deltas)
    return True
