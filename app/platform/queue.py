"""Background work: procrastinate over the same Postgres.

Work is found by polling for what is due, never deferred from the ingest path (a NOTIFY takes a
global lock at commit). Each periodic job is queued at most once at a time; jobs claim their rows
with SKIP LOCKED, so that two workers share the work and a killed one blocks nothing.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVarTuple
from uuid import UUID

from procrastinate import App, PsycopgConnector
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.db import Database
from app.platform.roles import SERVER

logger = logging.getLogger(__name__)

Ts = TypeVarTuple("Ts")

Job = Callable[[Database], Awaitable[None]]
HEARTBEAT_SECONDS = 5.0
STALLED_SECONDS = 20.0


class Queue:
    """The worker's side of the queue."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._app = App(
            connector=PsycopgConnector(
                conninfo=database.url,
                kwargs={"options": f"-c role={SERVER}"},
                min_size=1,
                max_size=4,
            ),
            worker_defaults={
                "update_heartbeat_interval": HEARTBEAT_SECONDS,
                "stalled_worker_timeout": STALLED_SECONDS,
            },
        )
        self.every(30, "platform.retry_stalled", self._retry_stalled)

    def every(self, seconds: int, name: str, job: Job) -> None:
        """Run ``job`` every so many seconds (1 to 59)."""

        async def run(timestamp: int) -> None:  # noqa: ARG001 - procrastinate passes it
            await job(self._database)

        task = self._app.task(name=name, queueing_lock=name)(run)
        self._app.periodic(cron=f"* * * * * */{seconds}")(task)

    async def run(self, concurrency: int = 4) -> None:
        """Work until SIGTERM or SIGINT, then finish what is begun."""
        async with self._app.open_async():
            await self._app.run_worker_async(
                concurrency=concurrency,
                delete_jobs="successful",
                fetch_job_polling_interval=1.0,
                shutdown_graceful_timeout=10.0,
            )

    async def _retry_stalled(self, _: Database) -> None:
        """Give the jobs of dead workers to living ones."""
        manager = self._app.job_manager
        for job in await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS):
            logger.warning("retrying a stalled job", extra={"task": job.task_name})
            await manager.retry_job(job)


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
