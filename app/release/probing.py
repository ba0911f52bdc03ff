"""Probing: an endpoint is called case by case, then by many at a time. No database here.

Everything ends: each call, each answer's size, and the whole by a deadline of its own.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import orjson
from httpx import URL

from app.platform.outbound import Kept, Outbound, OutboundFailed, OutboundLate
from app.release import open_inference
from app.release.contract_cases import ContractCase, Load
from app.release.integration import (
    Answers,
    Loaded,
    Protocol,
    Reply,
    Trial,
    Unreadable,
    judge,
    read,
    report,
    unanswered,
)

MOST_SECONDS = 120.0
MOST_BYTES = 1 << 20
_JUDGING_SECONDS = 20.0

Told = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be tried."""

    endpoint: str
    protocol: Protocol
    cases: tuple[ContractCase, ...]
    load: Load
    timeout_ms: int
    remote_model: str
    remote_version: str | None
    schema: Any
    """The JSON Schema of an answer, where the contract has one."""
    input_schema: Any = None
    """The same of what the decision point sends."""

    @property
    def path(self) -> str:
        """The path under which cases are answered."""
        base = URL(self.endpoint).raw_path.decode("ascii")
        if self.protocol is Protocol.JSON:
            return base
        return base.rstrip("/") + self.model + "/infer"

    @property
    def model(self) -> str:
        """The path of the model, of the Open Inference Protocol."""
        return open_inference.model_path(self.remote_model, self.remote_version)

    def under(self, path: str) -> str:
        """Return a path of the protocol's below the endpoint's own."""
        return URL(self.endpoint).raw_path.decode("ascii").rstrip("/") + path


class Probe:
    """One run against one endpoint."""

    def __init__(self, plan: Plan, line: Kept, told: Told) -> None:
        self._plan = plan
        self._line = line
        self._told = told
        self._until = time.monotonic() + MOST_SECONDS
        self._cold_start_ms: float | None = None

    async def run(self, about: dict[str, Any]) -> dict[str, Any]:
        """Ask everything; return the facts."""
        plan = self._plan
        tested, known = await self._greeted()
        bodies = [self._body(case, known) for case in plan.cases]
        good: list[tuple[ContractCase, bytes]] = []
        answered = False
        for number, (case, body) in enumerate(zip(plan.cases, bodies, strict=True)):
            reply = await self._call("POST", plan.path, body)
            if self._cold_start_ms is None and not case.bad and reply.status is not None:
                self._cold_start_ms = reply.ms
            tested.append(
                await asyncio.to_thread(
                    judge, case, reply, protocol=plan.protocol, schema=plan.schema
                )
            )
            if not case.bad:
                good.append((case, body))
                answered = answered or unanswered(reply) is None
            await self._told({"stage": "cases", "done": number + 1, "of": len(bodies)})
        # Whoever answers none of the cases is not called a thousand times more.
        load = await self._loaded(good) if answered else unmade(plan)
        return await asyncio.to_thread(
            report, tested, load, cases=len(plan.cases), cold_start_ms=self._cold_start_ms,
            protocol=plan.protocol, about=about,
        )  # fmt: skip

    async def _greeted(self) -> tuple[list[Trial], dict[str, dict[str, Any]]]:
        """Ask what a server of the Open Inference Protocol must answer, and what it takes."""
        plan = self._plan
        if plan.protocol is Protocol.JSON:
            return [], {}
        tested, known = [], {}
        for name, path in (
            ("server ready", open_inference.READY),
            ("model ready", f"{plan.model}/ready"),
            ("model metadata", plan.model),
        ):
            reply = await self._call("GET", plan.under(path), None)
            why = unanswered(reply)
            if why is None and name == "model metadata":
                try:
                    known = open_inference.inputs_of(read(reply.body))
                except Unreadable as error:
                    why = str(error)
            tested.append(Trial(name, [why] if why else []))
        return tested, known

    def _body(self, case: ContractCase, known: dict[str, dict[str, Any]]) -> bytes:
        if self._plan.protocol is Protocol.JSON:
            return orjson.dumps(case.input)
        return orjson.dumps(open_inference.request(case.input, known))

    async def _call(self, method: str, path: str, body: bytes | None) -> Reply:
        left = self._until - time.monotonic()
        if left <= 0:
            return Reply(0.0, failure="the run's time was up before the call")
        started = time.perf_counter()
        try:
            got = await self._line.call(
                method, path, body=body, limit=MOST_BYTES,
                seconds=min(left, self._plan.timeout_ms / 1000),
            )  # fmt: skip
        except OutboundLate:
            return Reply(_since(started), failure=f"no answer within {self._plan.timeout_ms} ms")
        except OutboundFailed as error:
            return Reply(_since(started), failure=error.detail)
        return Reply(_since(started), got.status, got.body)

    async def _loaded(self, good: Sequence[tuple[ContractCase, bytes]]) -> Loaded:
        plan, load = self._plan, self._plan.load
        numbers = count()
        answers = Answers([case for case, _ in good], protocol=plan.protocol, schema=plan.schema)

        async def caller() -> None:
            while (number := next(numbers)) < load.requests and time.monotonic() < self._until:
                which = number % len(good)
                answers.take(which, await self._call("POST", plan.path, good[which][1]))
                if len(answers) % 50 == 0:
                    await self._told({"stage": "load", "done": len(answers), "of": load.requests})

        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(min(load.concurrency, load.requests)):
                group.create_task(caller())
        seconds = time.perf_counter() - started
        until = time.monotonic() + _JUDGING_SECONDS
        replies, unchecked = await asyncio.to_thread(answers.judged, until, time.monotonic)
        return Loaded(load.requests, load.concurrency, seconds, replies, unchecked)


def unmade(plan: Plan) -> Loaded:
    """Return the load of an endpoint that answers nothing: none."""
    return Loaded(plan.load.requests, plan.load.concurrency, 0.0, [])


async def probe(
    outbound: Outbound, plan: Plan, told: Told, *, about: dict[str, Any]
) -> dict[str, Any]:
    """Call an endpoint as planned; return the facts. ``OutboundRefused`` if it must not be."""
    try:
        async with outbound.keep(plan.endpoint, connections=plan.load.concurrency) as line:
            return await Probe(plan, line, told).run(about)
    except OutboundFailed as error:  # its name is known to nobody
        return report(
            [Trial(case.name, [error.detail]) for case in plan.cases], unmade(plan),
            cases=len(plan.cases), cold_start_ms=None, protocol=plan.protocol, about=about,
        )  # fmt: skip


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
