"""Group commit: jobs that come while others are being written are written together.

Under light load every job has a transaction of its own and waits for nobody. Under heavy load
transactions grow instead of queues: what a commit costs is shared by all who wait for it.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.kit.refusal import Overloaded

K = TypeVar("K", bound=Hashable)
J = TypeVar("J")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[J, R]):
    job: J
    done: "asyncio.Future[R]"


def _one(_: object) -> int:
    return 1


class Coalesced(Generic[K, J, R]):
    """Has ``commit`` write the jobs of one process; each is written whole or not at all.

    A transaction is of one line, such as a tenant, and holds jobs of ``most`` in all, as ``size``
    measures them. ``lanes`` are written at a time, ``each`` of them of one line. A transaction
    that fails is written again, each job by itself, unless the error is ``nobodys_fault``. A caller
    who goes away leaves his job behind. While ``most_waiting`` wait, nobody else joins them. A line
    that had several jobs at its last transaction waits up to ``patience`` seconds for as many.
    """

    def __init__(
        self,
        commit: Callable[[K, list[J]], Awaitable[Sequence[R]]],
        *,
        nobodys_fault: Callable[[Exception], bool],
        lanes: int,
        each: int,
        most: int,
        size: Callable[[J], int] = _one,
        most_waiting: int | None = None,
        patience: float = 0.0,
    ) -> None:
        self._commit = commit
        self._nobodys_fault = nobodys_fault
        self._most_lanes, self._each, self._most, self._size = lanes, each, most, size
        self._most_waiting, self._size_waiting = most_waiting, 0
        if patience and each > 1:
            raise ValueError("Two of a line cannot wait for the same jobs.")
        self._patience, self._before = patience, dict[K, int]()
        self._awaited: dict[K, tuple[int, asyncio.Event]] = {}
        self._waiting: dict[K, list[_Waiting[J, R]]] = {}
        self._lanes: set[asyncio.Task[None] | None] = set()
        self._busy: Counter[K] = Counter()

    async def __call__(self, line: K, job: J) -> R:
        """Write a job; return, after COMMIT, what came of it."""
        size = self._size(job)
        there = self._size_waiting
        if self._most_waiting is not None and there and there + size > self._most_waiting:
            raise Overloaded(f"{there} are waiting to be written already.")
        self._size_waiting += size
        waiting: _Waiting[J, R] = _Waiting(job, asyncio.get_running_loop().create_future())
        together = self._waiting.setdefault(line, [])
        together.append(waiting)
        if line in self._awaited and len(together) >= self._awaited[line][0]:
            self._awaited[line][1].set()
        if len(self._lanes) < self._most_lanes and self._busy[line] < self._each:
            self._lanes.add(asyncio.create_task(self._lane()))
        return await waiting.done

    async def _lane(self) -> None:
        try:
            while (line := self._next()) is not None:
                await self._write_some(line)
        finally:
            # Here, not when the loop gets to it: who comes in between would wait for nobody.
            self._lanes.discard(asyncio.current_task())

    async def _write_some(self, line: K) -> None:
        self._busy[line] += 1
        try:
            await self._gather(line)
            taken = self._take(line)
            await self._together(line, taken)
            there = len(taken) + len(self._waiting.get(line, ()))
            if self._patience and there > 1:
                self._before[line] = there
        finally:
            self._busy[line] -= 1
            if not self._busy[line]:
                del self._busy[line]

    async def _gather(self, line: K) -> None:
        """Wait a moment for as many jobs as there were: who was answered mostly comes again."""
        before = self._before.pop(line, 1)
        if len(self._waiting[line]) < before:
            self._awaited[line] = before, asyncio.Event()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._awaited[line][1].wait(), self._patience)
            del self._awaited[line]

    def _next(self) -> K | None:
        """Return who has waited longest of those that another transaction may be written of."""
        return next((one for one in self._waiting if self._busy[one] < self._each), None)

    def _take(self, line: K) -> list[_Waiting[J, R]]:
        """Take what one transaction holds of a line's jobs; it goes to the end of the queue."""
        waiting = self._waiting.pop(line)
        taken = [waiting[0]]
        size = self._size(taken[0].job)
        for one in waiting[1:]:
            more = self._size(one.job)
            if size + more > self._most:
                break
            taken.append(one)
            size += more
        self._size_waiting -= size
        if len(waiting) > len(taken):
            self._waiting[line] = waiting[len(taken) :]
        return taken

    async def _together(self, line: K, taken: list[_Waiting[J, R]]) -> None:
        """Write jobs in one transaction; if one of them may be why that fails, each by itself."""
        try:
            written = await self._commit(line, [one.job for one in taken])
        except Exception as error:  # noqa: BLE001 - every waiting caller is told
            alone = len(taken) == 1 or self._nobodys_fault(error)
            for one in taken:
                if alone:
                    _tell(one.done, error)
                else:
                    await self._together(line, [one])
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
