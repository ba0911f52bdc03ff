"""Group commit: jobs that come while others are being written are written together.

Under light load every job has a transaction of its own and waits for nobody. Under heavy load
transactions grow instead of queues: what a commit costs is shared by all who wait for it.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

J = TypeVar("J")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[J, R]):
    job: J
    done: "asyncio.Future[R]"


def _one(_: object) -> int:
    return 1


class Coalesced(Generic[J, R]):
    """Has ``commit`` write the jobs of one process; each is written whole or not at all.

    A transaction is of one tenant and holds jobs of ``most`` in all, as ``size`` measures them.
    ``lanes`` transactions are written at a time, ``each`` of them of one tenant. A transaction
    that fails is written again, each job by itself, unless the error is ``nobodys_fault``. A caller
    who goes away leaves his job behind.
    """

    def __init__(
        self,
        commit: Callable[[UUID, list[J]], Awaitable[Sequence[R]]],
        *,
        nobodys_fault: Callable[[Exception], bool],
        lanes: int,
        each: int,
        most: int,
        size: Callable[[J], int] = _one,
    ) -> None:
        self._commit = commit
        self._nobodys_fault = nobodys_fault
        self._most_lanes, self._each, self._most, self._size = lanes, each, most, size
        self._waiting: dict[UUID, list[_Waiting[J, R]]] = {}
        self._lanes: set[asyncio.Task[None] | None] = set()
        self._busy: Counter[UUID] = Counter()

    async def __call__(self, tenant_id: UUID, job: J) -> R:
        """Write a job; return, after COMMIT, what came of it."""
        waiting: _Waiting[J, R] = _Waiting(job, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(tenant_id, []).append(waiting)
        if len(self._lanes) < self._most_lanes and self._busy[tenant_id] < self._each:
            self._lanes.add(asyncio.create_task(self._lane()))
        return await waiting.done

    async def _lane(self) -> None:
        try:
            while (tenant_id := self._next()) is not None:
                await self._write_some(tenant_id)
        finally:
            # Here, not when the loop gets to it: who comes in between would wait for nobody.
            self._lanes.discard(asyncio.current_task())

    async def _write_some(self, tenant_id: UUID) -> None:
        taken = self._take(tenant_id)
        self._busy[tenant_id] += 1
        try:
            await self._together(tenant_id, taken)
        finally:
            self._busy[tenant_id] -= 1
            if not self._busy[tenant_id]:
                del self._busy[tenant_id]

    def _next(self) -> UUID | None:
        """Return who has waited longest of those that another transaction may be written of."""
        return next((one for one in self._waiting if self._busy[one] < self._each), None)

    def _take(self, tenant_id: UUID) -> list[_Waiting[J, R]]:
        """Take what one transaction holds of a tenant's jobs; he goes to the end of the line."""
        waiting = self._waiting.pop(tenant_id)
        taken = [waiting[0]]
        size = self._size(taken[0].job)
        for one in waiting[1:]:
            size += self._size(one.job)
            if size > self._most:
                break
            taken.append(one)
        if len(waiting) > len(taken):
            self._waiting[tenant_id] = waiting[len(taken) :]
        return taken

    async def _together(self, tenant_id: UUID, taken: list[_Waiting[J, R]]) -> None:
        """Write jobs in one transaction; if one of them may be why that fails, each by itself."""
        try:
            written = await self._commit(tenant_id, [one.job for one in taken])
        except Exception as error:  # noqa: BLE001 - every waiting caller is told
            alone = len(taken) == 1 or self._nobodys_fault(error)
            for one in taken:
                if alone:
                    _tell(one.done, error)
                else:
                    await self._together(tenant_id, [one])
        except BaseException:
            for one in taken:
                one.done.cancel()
            raise
        else:
            for one, result in zip(taken, written, strict=True):
                _tell(one.done, result)


def _tell(done: "asyncio.Future[R]", result: R | Exception) -> None:
    if done.done():  # the caller went away
        return
    if isinstance(result, Exception):
        done.set_exception(result)
    else:
        done.set_result(result)
