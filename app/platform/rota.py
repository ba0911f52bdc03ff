"""Background work: a rota in Postgres says what is due; the first worker to look takes it.

Work is found by looking for what is due, never queued from the ingest path (a NOTIFY takes a global
lock at commit). A job finds its own rows and claims them with SKIP LOCKED: two workers share the
work, a killed one blocks nothing, and what it left undone is found when the job is next due.

There is no queue of jobs, whose entries would only repeat what the rows say: an idle worker asks
the database one question a second.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import LiteralString, TypeVarTuple
from uuid import UUID

import psycopg
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.db import Database
from app.platform.roles import SERVER

logger = logging.getLogger(__name__)

Ts = TypeVarTuple("Ts")

Job = Callable[[Database], Awaitable[None]]
_BEAT_SECONDS = 1.0
_STOP_SECONDS = 10.0
# The next turn is due a little early, so that no beat comes just before it and waits for another.
_EARLY = 0.9
_NOTE: LiteralString = """
INSERT INTO platform_rota (name, due) SELECT unnest(%s::text[]), clock_timestamp()
ON CONFLICT DO NOTHING
"""
_TAKE: LiteralString = """
WITH mine AS (
    SELECT * FROM unnest(%s::text[], %s::float[]) AS m (name, seconds)
), due AS (
    SELECT name FROM platform_rota JOIN mine USING (name) WHERE due <= clock_timestamp()
    FOR UPDATE OF platform_rota SKIP LOCKED
)
UPDATE platform_rota AS r SET due = clock_timestamp() + make_interval(secs => m.seconds)
FROM mine AS m JOIN due USING (name) WHERE r.name = m.name RETURNING r.name
"""


@dataclass(frozen=True, slots=True)
class _Job:
    seconds: float
    at_once: int
    do: Job


class Rota:
    """The worker's side of it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._jobs: dict[str, _Job] = {}
        self._at_work: dict[asyncio.Task[None], str] = {}
        self._stop = asyncio.Event()

    def every(self, seconds: float, name: str, job: Job, *, at_once: int = 1) -> None:
        """Do ``job`` every so many seconds, in one worker of all.

        It is begun again while it is at work, ``at_once`` times in this process: where it waits
        for others' machines, one that does not answer holds up nobody else.
        """
        self._jobs[name] = _Job(seconds, at_once, job)

    def stop(self) -> None:
        """Begin nothing any more."""
        self._stop.set()

    async def run(self) -> None:
        """Work until told to stop, then finish what is begun."""
        while not self._stop.is_set():
            try:
                await self._watch()
            except psycopg.Error as error:
                logger.warning("the rota cannot be read", extra={"reason": str(error)})
                await self._rest()
        if self._at_work:
            _, late = await asyncio.wait(self._at_work, timeout=_STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _watch(self) -> None:
        """Start what is due, beat for beat, over one connection."""
        connection = await psycopg.AsyncConnection.connect(
            self._database.url,
            autocommit=True,  # a worker that is frozen between two statements holds no lock
            connect_timeout=5,
            options=f"-c role={SERVER} -c statement_timeout=10000",
        )
        async with connection:
            await connection.execute(_NOTE, [list(self._jobs)])
            logger.info("the worker is at work", extra={"jobs": len(self._jobs)})
            while not self._stop.is_set():
                busy = Counter(self._at_work.values())
                free = {name: job for name, job in self._jobs.items() if busy[name] < job.at_once}
                seconds = [_EARLY * job.seconds for job in free.values()]
                cursor = await connection.execute(_TAKE, [list(free), seconds])
                for (name,) in await cursor.fetchall():
                    task = asyncio.create_task(self._do(name, free[name].do))
                    self._at_work[task] = name
                    task.add_done_callback(self._at_work.pop)
                await self._rest()

    async def _do(self, name: str, job: Job) -> None:
        try:
            await job(self._database)
        except Exception:
            logger.exception("a job failed", extra={"job": name})

    async def _rest(self) -> None:
        """Wait for the next beat, or for the end."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), _BEAT_SECONDS)


async def for_each(
    database: Database,
    items: Iterable[tuple[UUID, *Ts]],
    work: Callable[[AsyncSession, UUID, *Ts], Awaitable[object]],
) -> None:
    """Do ``work`` on every item in a transaction of its own; one that fails stops no other.

    An item begins with its tenant: its transaction sees no other tenant's rows.
    """
    failed: list[Exception] = []
    for item in items:
        try:
            async with database.transaction(item[0]) as session:
                await work(session, *item)
        except Exception as error:
            logger.exception("work on one item failed", extra={"item": str(item)})
            failed.append(error)
    if failed:
        raise ExceptionGroup(f"{len(failed)} items failed", failed)
