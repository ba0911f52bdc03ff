"""Group commit: batches that come while others are being written are written together.

Under light load every batch has a transaction of its own and waits for nobody. Under heavy load
transactions grow instead of queues: what a commit costs is shared by all who wait for it.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.ids import uuid7
from app.platform.db import Database, driver
from app.telemetry import store
from app.telemetry.batch import Batch, Group, Parcels, Place, pack
from app.telemetry.registry import Layouts
from app.telemetry.tables import ProfileKind

_LANES = 3
_MOST_EVENTS = 10_000
_FEW_EVENTS = 64
_NOBODYS_FAULT = (psycopg.OperationalError, psycopg.InterfaceError, SQLAlchemyError, OSError)
# One: two would only take the interpreter, and each other's cache lines, in turns.
_THREAD = ThreadPoolExecutor(1, "ingest")


@dataclass(frozen=True, slots=True)
class _Job:
    batch: Batch
    stored: asyncio.Future[int]


class Writer:
    """Writes the batches of one process; each is stored whole or not at all."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._layouts = Layouts()
        self._series: dict[tuple[UUID, Group], bytes] = {}
        self._waiting: dict[UUID, list[_Job]] = {}
        self._lanes: set[asyncio.Task[None]] = set()

    async def write(self, tenant_id: UUID, batch: Batch) -> int:
        """Store a batch; return, after COMMIT, how many of its events are new."""
        job = _Job(batch, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(tenant_id, []).append(job)
        if len(self._lanes) < _LANES:
            lane = asyncio.create_task(self._lane())
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        return await job.stored

    async def _lane(self) -> None:
        while self._waiting:
            tenant_id = next(iter(self._waiting))
            await self._together(tenant_id, self._take(tenant_id))

    def _take(self, tenant_id: UUID) -> list[_Job]:
        """Take what one transaction holds of a tenant's jobs; he goes to the end of the line."""
        waiting = self._waiting.pop(tenant_id)
        taken = [waiting[0]]
        size = len(taken[0].batch.events)
        for job in waiting[1:]:
            size += len(job.batch.events)
            if size > _MOST_EVENTS:
                break
            taken.append(job)
        if len(waiting) > len(taken):
            self._waiting[tenant_id] = waiting[len(taken) :]
        return taken

    async def _together(self, tenant_id: UUID, jobs: list[_Job]) -> None:
        """Write jobs in one transaction; if one of them may be why that fails, each by itself."""
        try:
            stored = await self._commit(tenant_id, [job.batch for job in jobs])
        except Exception as error:  # noqa: BLE001 - every waiting caller is told
            alone = len(jobs) == 1 or isinstance(error, _NOBODYS_FAULT)
            for job in jobs:
                if alone:
                    _tell(job, error)
                else:
                    await self._together(tenant_id, [job])
        except BaseException:
            for job in jobs:
                job.stored.cancel()
            raise
        else:
            for owner, job in enumerate(jobs):
                _tell(job, stored[owner])

    async def _commit(self, tenant_id: UUID, batches: Sequence[Batch]) -> Counter[int]:
        """Write batches in one transaction; return how many events of each are new."""
        async with self._database.session(tenant_id) as session:
            groups = {group for batch in batches for group in batch.groups}
            places = await self._places(session, tenant_id, groups)
            size = sum(len(batch.events) for batch in batches)
            merged, parcels = await off_loop(size, _pack, tenant_id, batches, places)
            connection = await driver(session)
            fresh = await store.insert_receipts(connection, tenant_id, parcels)
            if fresh is not None:
                merged = merged.only(fresh, places)
                parcels = await off_loop(size, pack, tenant_id, merged, places)
            if parcels.size:
                await store.copy_events(connection, parcels)
                await store.append_deltas(connection, tenant_id, ProfileKind.INPUTS, parcels.deltas)
            await session.commit()
        # Remembered only now: a rollback must not leave an id without its row.
        self._series |= {(tenant_id, group): place.series for group, place in places.items()}
        return Counter(merged.owners)

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
            found[group] = Place(known, layout, names)
        return found


async def off_loop(events: int, work: Any, *arguments: Any) -> Any:
    """Run CPU work in a thread if there is enough of it to delay other requests."""
    if events < _FEW_EVENTS:
        return work(*arguments)
    return await asyncio.get_running_loop().run_in_executor(_THREAD, work, *arguments)


def _pack(
    tenant_id: UUID, batches: Sequence[Batch], places: dict[Group, Place]
) -> tuple[Batch, Parcels]:
    merged = Batch.merge(batches)
    return merged, pack(tenant_id, merged, places)


def _tell(job: _Job, result: int | Exception) -> None:
    if job.stored.done():  # the caller went away
        return
    if isinstance(result, Exception):
        job.stored.set_exception(result)
    else:
        job.stored.set_result(result)
