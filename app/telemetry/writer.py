"""Batches of events are written together, those that come while others are being written."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import psycopg
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.ids import uuid7
from app.platform.coalescing import Coalesced
from app.platform.db import Database, driver
from app.platform.http import Upload
from app.telemetry import store, unknown
from app.telemetry.batch import Batch, Group, Place
from app.telemetry.folding import Noted
from app.telemetry.packed import Uuids
from app.telemetry.parcels import Parcels, columns, pack
from app.telemetry.registry import Declared, Layouts
from app.telemetry.rows import ARROW
from app.telemetry.segments import Parts, Value, missing
from app.telemetry.tables import ProfileKind

_LANES = 3
_TRIES = 4
_MOST_EVENTS = 10_000
_FEW_EVENTS = 64
_EVENT_BYTES = 256
"""About what an event takes in a body."""
_NOBODYS_FAULT = (psycopg.OperationalError, psycopg.InterfaceError, SQLAlchemyError, OSError)
# One: two would only take the interpreter, and each other's cache lines, in turns.
_THREAD = ThreadPoolExecutor(1, "ingest")


class Written(NamedTuple):
    """What became of a batch: how many of its events are new, and what was odd about those."""

    fresh: int
    unknown: dict[str, int]
    """Features that no signature names."""
    invalid: dict[str, int]
    """Inputs that should have been numbers."""


class Writer:
    """Writes the batches of one process; each is stored whole or not at all."""

    def __init__(self, database: Database, *, most_waiting: int | None = None) -> None:
        self._database = database
        self._layouts = Layouts()
        self._declared = Declared()
        self._series: dict[tuple[UUID, Group], bytes] = {}
        self._parts: dict[bytes, Parts] = {}
        self._together = Coalesced(
            self._commit,
            nobodys_fault=lambda error: isinstance(error, _NOBODYS_FAULT),
            lanes=_LANES,
            each=_LANES,
            most=_MOST_EVENTS,
            size=len,
            most_waiting=most_waiting,
        )

    async def write(self, tenant_id: UUID, batch: Batch) -> Written:
        """Store a batch; return, after COMMIT, what became of it."""
        return await self._together(tenant_id, batch)

    async def _commit(self, tenant_id: UUID, batches: Sequence[Batch]) -> list[Written]:
        """Write batches in one transaction; return what became of each.

        Events are in order of decision, and their senders' names for them in none: who names the
        same ones in another order may wait for us as we for him. One of us begins again then.
        """
        for _ in range(_TRIES - 1):
            with suppress(psycopg.errors.DeadlockDetected):
                return await self._attempt(tenant_id, batches)
        return await self._attempt(tenant_id, batches)

    async def _attempt(self, tenant_id: UUID, batches: Sequence[Batch]) -> list[Written]:
        async with self._database.session(tenant_id) as session:
            groups = {group for batch in batches for group in batch.groups}
            places = await self._places(session, tenant_id, groups)
            size = sum(len(batch) for batch in batches)
            if any(place.parts for place in places.values()):
                places = await self._in_parts(session, tenant_id, batches, places)
            merged, parcels = await off_loop(size, _pack, tenant_id, batches, places)
            connection = await driver(session)
            fresh = await _receive(connection, tenant_id, merged, places, parcels)
            if fresh is not None:
                merged = merged.among(fresh, places)
                parcels = await off_loop(size, pack, tenant_id, merged, places)
            if parcels.size:
                await store.copy_events(connection, parcels)
                deltas = parcels.folded.deltas
                await store.append_deltas(connection, tenant_id, ProfileKind.INPUTS, deltas)
            if parcels.folded.unknown:
                await unknown.append(connection, tenant_id, parcels.folded.unknown)
            await session.commit()
        # Remembered only now: a rollback must not leave an id without its row.
        self._series |= {(tenant_id, group): place.series for group, place in places.items()}
        self._parts |= {place.series: place.parts for place in places.values() if place.parts}
        fresh_of = np.bincount(merged.records["owner"], minlength=len(batches)).tolist()
        odd = parcels.folded
        return [
            Written(fresh_of[owner], _names_of(owner, odd.unknown), _names_of(owner, odd.invalid))
            for owner in range(len(batches))
        ]

    async def _places(
        self, session: AsyncSession, tenant_id: UUID, groups: set[Group]
    ) -> dict[Group, Place]:
        found = {}
        # In one order, or two first batches would wait for each other's new series in a circle.
        for group in sorted(groups):
            known = self._series.get((tenant_id, group))
            if known is None:
                connection = await driver(session)
                known = await store.series_id(connection, tenant_id, *group, new=uuid7())
            layout, names = await self._layouts.of(session, tenant_id, UUID(bytes=group[1]))
            inputs = await self._layouts.inputs(session, tenant_id, UUID(bytes=group[1]))
            parts = None
            if declared := await self._declared.of(session, tenant_id, UUID(bytes=group[0])):
                stored = self._parts.get(known)
                parts = Parts.known(declared, stored.ids if stored else {})
                inputs = inputs and inputs.union(declared)
            found[group] = Place(known, layout, names, inputs, parts)
        return found

    async def _in_parts(
        self,
        session: AsyncSession,
        tenant_id: UUID,
        batches: Sequence[Batch],
        places: dict[Group, Place],
    ) -> dict[Group, Place]:
        """Make the parts in which events count that none of their series had before.

        In one order, or two would wait for each other's new parts in a circle.
        """
        size = sum(len(batch) for batch in batches)
        wanted = await off_loop(size, _wanted, batches, places)
        for group in sorted(wanted):
            place = places[group]
            assert place.parts is not None  # noqa: S101 - there is something to be told apart
            parts = await store.parts_of(
                await driver(session), tenant_id, place.series, place.parts, wanted[group]
            )
            places[group] = place._replace(parts=parts)
        return places


def about(upload: Upload) -> int:
    """Return for about how many events' work reading an upload is."""
    if upload.media == ARROW:  # the first one's library takes a second to load
        return _FEW_EVENTS
    return len(upload.body) // _EVENT_BYTES


async def off_loop(events: int, work: Any, *arguments: Any) -> Any:
    """Run CPU work in a thread if there is enough of it to delay other requests."""
    if events < _FEW_EVENTS:
        return work(*arguments)
    return await asyncio.get_running_loop().run_in_executor(_THREAD, work, *arguments)


def _wanted(batches: Sequence[Batch], places: dict[Group, Place]) -> dict[Group, list[Value]]:
    """Return by group the values that events carry and that have no place yet."""
    found = {}
    for group, place in places.items():
        if place.parts:
            features = [
                features
                for batch in batches
                if group in batch.groups
                for features in batch.features.only(batch.of(group)).objects()
            ]
            if values := missing(place.parts, features):
                found[group] = values
    return found


def _pack(
    tenant_id: UUID, batches: Sequence[Batch], places: dict[Group, Place]
) -> tuple[Batch, Parcels]:
    merged = Batch.merge(batches)
    return merged, pack(tenant_id, merged, places)


async def _receive(
    connection: store.Connection,
    tenant_id: UUID,
    batch: Batch,
    places: dict[Group, Place],
    parcels: Parcels,
) -> set[bytes] | None:
    """Write receipts; return the new ones' decision and series, ``None`` if all are new.

    A batch that is sent again is known by its first event, before its COPY is refused.
    """
    if parcels.receipts is not None:
        records, series = batch.records, batch.series(places)
        _, first = np.unique(records["owner"], return_index=True)
        firsts = (column[first] for column in (records["decision"], series, records["event"]))
        again = await store.any_known(connection, tenant_id, *map(Uuids.of, firsts))
        if not again and await store.copy_receipts(
            connection, tenant_id, parcels.receipts, Uuids.of(records["decision"])
        ):
            return None
    found = await off_loop(len(batch), columns, batch, places)
    return await store.insert_receipts(connection, tenant_id, len(batch), found)


def _names_of(owner: int, noted: Noted) -> dict[str, int]:
    if not noted:
        return {}
    found: Counter[str] = Counter()
    for (whose, _), names in noted.items():
        if whose == owner:
            found.update(names)
    return unknown.told(found)
