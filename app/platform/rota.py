"""Background work: a rota in Postgres says what is due; the first worker to look takes it.

Work is found by looking for what is due, never queued from the ingest path (a NOTIFY takes a global
lock at commit). A job finds its own rows and claims them with SKIP LOCKED: two workers share the
work, a killed one blocks nothing, and what it left undone is found when the job is next due.

There is no queue of jobs, whose entries would only repeat what the rows say: an idle worker asks
the database one question a second.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, LiteralString, TypeVarTuple
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
# What was done is written at most so often, and at once if it failed.
_TOLD_SECONDS = 10.0
_NOTE: LiteralString = """
INSERT INTO platform_rota (name, due) SELECT unnest(%s::text[]), clock_timestamp()
ON CONFLICT DO NOTHING
"""
# Nothing is due later than after its next turn: the clock that said so was ahead, or is set back.
_TAKE: LiteralString = """
WITH mine AS (
    SELECT * FROM unnest(%s::text[], %s::float[]) AS m (name, seconds)
), due AS (
    SELECT name FROM platform_rota JOIN mine USING (name)
    WHERE due <= clock_timestamp()
        OR due > clock_timestamp() + make_interval(secs => 2 * mine.seconds)
    FOR UPDATE OF platform_rota SKIP LOCKED
)
UPDATE platform_rota AS r SET due = clock_timestamp() + make_interval(secs => m.seconds)
FROM mine AS m JOIN due USING (name) WHERE r.name = m.name RETURNING r.name
"""
_FORGET: LiteralString = """
UPDATE platform_rota SET done_at = NULL WHERE name <> ALL(%s::text[]) AND done_at IS NOT NULL
"""
_DONE: LiteralString = """
UPDATE platform_rota AS r SET seconds = d.seconds, failures = failures + d.failed,
    done_at = CASE WHEN d.done THEN clock_timestamp() ELSE coalesce(done_at, clock_timestamp()) END
FROM unnest(%s::text[], %s::float[], %s::bool[], %s::int[]) AS d (name, seconds, done, failed)
WHERE r.name = d.name
"""


@dataclass(frozen=True, slots=True)
class _Job:
    seconds: float
    at_once: int
    do: Job


@dataclass(slots=True)
class _Record:
    """What became of a job's turns since that was written last."""

    done: bool = False
    failed: int = 0
    told: float = -_TOLD_SECONDS

    def due(self, now: float) -> bool:
        return bool(self.failed) or (self.done and now - self.told >= _TOLD_SECONDS)


class Rota:
    """The worker's side of it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._jobs: dict[str, _Job] = {}
        self._at_work: dict[asyncio.Task[None], str] = {}
        self._records: dict[str, _Record] = {}
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
            await connection.execute(_FORGET, [list(self._jobs)])
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
                await self._tell(connection)
                await self._rest()

    async def _do(self, name: str, job: Job) -> None:
        record = self._records.setdefault(name, _Record())
        try:
            await job(self._database)
        except Exception:
            record.failed += 1
            logger.exception("a job failed", extra={"job": name})
        else:
            record.done = True

    async def _tell(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Write what became of jobs, for whoever watches the workers."""
        now = time.monotonic()
        told = {name: one for name, one in self._records.items() if one.due(now)}
        if not told:
            return
        records = told.values()
        await connection.execute(
            _DONE,
            [
                list(told),
                [self._jobs[name].seconds for name in told],
                [one.done for one in records],
                [one.failed for one in records],
            ],
        )
        for one in records:
            one.done, one.failed, one.told = False, 0, now

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
