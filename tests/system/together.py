"""Calls made at the same moment."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from app.client import Problem


@dataclass(frozen=True)
class Answer:
    """What one of several simultaneous calls was told; status 0 stands for any 2xx."""

    status: int
    code: str
    body: Any


def at_once(*calls: Callable[[], Any]) -> list[Answer]:
    """Make calls at the same moment, each in its own thread."""
    barrier = threading.Barrier(len(calls), timeout=20)

    def make(call: Callable[[], Any]) -> Answer:
        barrier.wait()
        try:
            return Answer(0, "ok", call())
        except Problem as problem:
            return Answer(problem.status, problem.code, problem.document)

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(make, calls))
