"""Questions that come together are asked together: the counterpart of group commit.

What is asked for while a question is on its way goes with the next one: a question always begins
after all who wait for it came, so that nobody is told what stood before he asked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any, Generic, TypeVar

L = TypeVar("L", bound=Hashable)
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
_MOST = 200


class Together(Generic[L, K, V]):
    """Has ``find`` look for many keys at once, one question at a time for each line.

    A line is what keys are of, such as a tenant. ``find`` returns what stands behind keys, of
    those behind which something does.
    """

    def __init__(self, find: Callable[[L, list[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._find = find
        self._waiting: dict[L, dict[K, asyncio.Future[V | None]]] = {}
        self._asking: dict[L, asyncio.Task[None]] = {}

    async def __call__(self, line: L, key: K) -> V | None:
        """Return what stands behind a key, or nothing."""
        waiting = self._waiting.setdefault(line, {})
        answer = waiting.get(key)
        if answer is None:
            answer = waiting[key] = asyncio.get_running_loop().create_future()
            answer.add_done_callback(_heard)
        if line not in self._asking:
            self._asking[line] = asyncio.create_task(self._ask(line))
        return await asyncio.shield(answer)  # one who leaves takes nobody's answer with him

    async def _ask(self, line: L) -> None:
        try:
            while waiting := self._waiting.pop(line, None):
                keys = list(waiting)
                for at in range(0, len(keys), _MOST):
                    part = {key: waiting[key] for key in keys[at : at + _MOST]}
                    await self._answer(line, part)
        finally:
            del self._asking[line]

    async def _answer(self, line: L, part: "dict[K, asyncio.Future[V | None]]") -> None:
        try:
            found = await self._find(line, list(part))
        except Exception as error:  # noqa: BLE001 - whoever asked hears of it
            for answer in part.values():
                answer.set_exception(error)
        else:
            for key, answer in part.items():
                answer.set_result(found.get(key))


def _heard(answer: "asyncio.Future[Any]") -> None:
    """Take note of a failure that nobody waits for any more."""
    if not answer.cancelled():
        answer.exception()
