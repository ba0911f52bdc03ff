"""The operator: carries out operations in a worker process, a few at a time.

A turn takes what is due into free hands and comes back at once. Each operation is kept by renewing
its lease; when that fails, because it was cancelled or another worker has it, the work on it stops.
A process that ends leaves its leases to run out, and others go on where it was.
"""

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from app.platform.db import Database, Json
from app.platform.outbound import Outbound
from app.release import integration_runs, operations, release_runs
from app.release.operation_rules import Faulted, OperationKind, WorkerLost
from app.release.tables import Operation

logger = logging.getLogger(__name__)

AT_ONCE = 16
"""They wait for others, mostly: a few endpoints that hang do not occupy all hands."""
OF_ONE_TENANT = 12
"""However many of one tenant's endpoints hang, some hands are left for the others."""
_MOST_LOSSES = 3


class Operator:
    """One process's hands."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._busy: dict[asyncio.Task[None], UUID] = {}
        self._turning = asyncio.Lock()

    async def turn(self, database: Database) -> None:
        """Begin what is due, as far as hands are free."""
        async with self._turning:
            free = AT_ONCE - len(self._busy)
            if free <= 0:
                return
            held = Counter(self._busy.values())
            for operation in await operations.claim(
                database, most=free, held=held, each=OF_ONE_TENANT
            ):
                task = asyncio.create_task(self._keep(database, operation))
                self._busy[task] = operation.tenant_id
                task.add_done_callback(self._busy.pop)

    async def close(self) -> None:
        """Stop; what is under way is another worker's when its lease has run out."""
        busy = list(self._busy)
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)

    async def _keep(self, database: Database, operation: Operation) -> None:
        """Carry one out, as long as it is one's own."""
        work = asyncio.create_task(self._carry(database, operation))
        try:
            while not (await asyncio.wait({work}, timeout=operations.RENEW_SECONDS))[0]:
                with suppress(SQLAlchemyError, OSError):
                    if not await operations.renew(database, operation):
                        break
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work

    async def _carry(self, database: Database, operation: Operation) -> None:
        try:
            if operation.losses >= _MOST_LOSSES:
                lost = WorkerLost(f"{operation.losses} workers did not come back from it.")
                await operations.fail(database, operation, lost)
            elif operation.kind is OperationKind.INTEGRATION_RUN:

                async def told(progress: Json) -> None:
                    await operations.renew(database, operation, progress)

                await integration_runs.carry_out(database, self._outbound, operation, told)
            else:
                await release_runs.carry_out(database, operation)
        except (SQLAlchemyError, OSError):
            # The database is away: the lease runs out, and the work is taken up again.
            logger.exception("an operation was left", extra={"operation": str(operation.id)})
        except Exception:
            logger.exception("an operation failed", extra={"operation": str(operation.id)})
            await operations.fail(database, operation, Faulted("The server failed at it."))
