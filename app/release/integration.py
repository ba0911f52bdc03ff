"""Integration testing: what the answers of an endpoint say about it. Pure."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from http import HTTPStatus
from math import ceil
from typing import Any

from app.release.contract_cases import ContractCase, at, differences, told_apart
from app.release.open_inference import NotTensors, outputs
from app.release.output_schema import breaches

MOST_FAILED = 50
MOST_ERRORS = 0.01
"""The share of a load's calls that may fail before the load itself counts as a failure."""
MOST_KEPT = 16 << 20
_MOST_REASONS = 5
_LONGEST_REASON = 300


class Protocol(StrEnum):
    """How an endpoint is spoken to."""

    JSON = "json"
    OPEN_INFERENCE_V2 = "open_inference_v2"


@dataclass(frozen=True, slots=True)
class Reply:
    """What one call came to: an answer, or why there was none."""

    ms: float
    status: int | None = None
    body: bytes = b""
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """A contract case, or a question of the protocol's own, and what was wrong with its answer."""

    name: str
    reasons: list[str]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a number of calls at the same time came to, each without its body."""

    wanted: int
    concurrency: int
    seconds: float
    replies: Sequence[Reply]
    unchecked: int = 0
    """Answers of which nobody knows what they said: they were too many and too different."""


class Unreadable(ValueError):
    """The body is no JSON document."""


def read(body: bytes) -> Any:
    """Return a body as JSON (RFC 8259), which knows neither NaN nor infinity."""
    try:
        return json.loads(body, parse_constant=_refuse)
    except RecursionError as error:
        raise Unreadable("the answer is nested too deeply") from error
    except Unreadable:
        raise
    except ValueError as error:  # bytes that are no text, no JSON, or a number of too many digits
        raise Unreadable("the answer is not JSON") from error


def _refuse(name: str) -> Any:
    raise Unreadable(f"the answer holds {name}, which is not JSON")


def read_as(protocol: Protocol, body: bytes) -> Any:
    """Return what an answer says: of the Open Inference Protocol its outputs by name."""
    document = read(body)
    return outputs(document) if protocol is Protocol.OPEN_INFERENCE_V2 else document


def unanswered(reply: Reply) -> str | None:
    """Return why a call got no proper answer, nothing if it got one."""
    if reply.status is None:
        return reply.failure or "no answer"
    if HTTPStatus.MULTIPLE_CHOICES <= reply.status < HTTPStatus.BAD_REQUEST:
        return f"answered {reply.status}, a redirect, which is not followed"
    if not HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
        return f"answered {reply.status}"
    return None


def judge(case: ContractCase, reply: Reply, *, protocol: Protocol, schema: Any = None) -> Trial:
    """Return what is wrong with the answer to a case."""
    reasons = _of_bad(reply) if case.bad else _of_good(case, reply, protocol, schema)
    return Trial(case.name, [reason[:_LONGEST_REASON] for reason in reasons[:_MOST_REASONS]])


def _of_bad(reply: Reply) -> list[str]:
    if reply.status is None:
        return [reply.failure or "no answer"]
    if HTTPStatus.BAD_REQUEST <= reply.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return []
    return [f"bad input was answered {reply.status}, not refused with a 4xx"]


def _of_good(case: ContractCase, reply: Reply, protocol: Protocol, schema: Any) -> list[str]:
    why = unanswered(reply)
    if why is not None:
        return [why]
    try:
        document = read_as(protocol, reply.body)
    except (Unreadable, NotTensors) as error:
        return [str(error)]
    reasons = [] if schema is None else breaches(schema, document)
    for expected in case.expect:
        try:
            found = at(document, expected.pointer)
        except LookupError:
            reasons.append(f"{expected.pointer}: missing")
            continue
        reasons += differences(expected.value, found, case.tolerance, expected.pointer)
    return reasons


def asked_by(cases: Sequence[ContractCase], input_schema: Any) -> dict[str, Any]:
    """Return how much cases ask: a run that asks nothing fails nothing.

    Nor does one that a constant would pass: what is expected has to be ``told_apart``. ``unlike``
    are those that are to be answered although the decision point never sends such input.
    """
    answered = [case for case in cases if not case.bad]
    held = answered if input_schema is not None else ()
    return {
        "bad_cases": len(cases) - len(answered),
        "expecting": sum(bool(case.expect) for case in answered),
        "told_apart": told_apart(answered),
        "unlike": [case.name for case in held if breaches(input_schema, case.input)][:MOST_FAILED],
    }


def quantile(sorted_values: Sequence[float], share: float) -> float | None:
    """Return the nearest-rank quantile: a value that was measured, none if nothing was."""
    if not sorted_values:
        return None
    return sorted_values[max(0, ceil(share * len(sorted_values)) - 1)]


class Answers:
    """What a load was answered, to be judged when it is over: judging meanwhile would slow it.

    An answer is held to the same as the case's own: whoever is right when asked alone and answers
    another's question under load is wrong. What is alike is judged once, and kept once; of
    different answers ``MOST_KEPT`` bytes are.
    """

    def __init__(self, cases: Sequence[ContractCase], *, protocol: Protocol, schema: Any) -> None:
        self._cases, self._protocol, self._schema = cases, protocol, schema
        self._replies: list[Reply] = []
        self._alike: dict[tuple[int, bytes], tuple[Reply, list[int]]] = {}
        self._kept = 0
        self._unchecked = 0

    def __len__(self) -> int:
        return len(self._replies)

    def take(self, number: int, reply: Reply) -> None:
        """Keep the answer to a case, given by its number."""
        why = unanswered(reply)
        place = len(self._replies)
        self._replies.append(Reply(reply.ms, reply.status, failure=why))
        if why is not None:
            return
        key = number, blake2b(reply.body, digest_size=16).digest()
        known = self._alike.get(key)
        if known is not None:
            known[1].append(place)
        elif self._kept + len(reply.body) > MOST_KEPT:
            self._unchecked += 1
        else:
            self._kept += len(reply.body)
            self._alike[key] = reply, [place]

    def judged(self, until: float, clock: Callable[[], float]) -> tuple[list[Reply], int]:
        """Return every reply with why it failed, and how many were left ``until`` time was up."""
        for (number, _), (reply, places) in self._alike.items():
            if clock() > until:
                self._unchecked += len(places)
                continue
            case = self._cases[number]
            found = judge(case, reply, protocol=self._protocol, schema=self._schema)
            for place in places if found.reasons else ():
                before = self._replies[place]
                self._replies[place] = Reply(before.ms, before.status, failure=found.reasons[0])
        return self._replies, self._unchecked


def _what_failed(load: Loaded) -> list[str]:
    """Return why calls of a load failed, the most frequent reasons first."""
    why = Counter(reply.failure for reply in load.replies if reply.failure)
    if unmade := load.wanted - len(load.replies):
        why["not made, as no case was answered or time was up"] = unmade
    return [f"{count} of {load.wanted} calls: {text}" for text, count in why.most_common(5)]


def report(
    tested: Sequence[Trial],
    load: Loaded,
    *,
    cases: int,
    cold_start_ms: float | None,
    protocol: Protocol,
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the facts of a run, as rules read them.

    A call that was not made in time is an error of the load, and its time counts: whoever does not
    answer is not fast.
    """
    millis = sorted(reply.ms for reply in load.replies)
    served = sum(reply.failure is None for reply in load.replies)
    failed = [item for item in tested if item.reasons]
    errors = load.wanted - served
    if errors > MOST_ERRORS * load.wanted:
        failed.append(Trial("load", _what_failed(load)))
    return {
        "cases": cases,
        "failures": len(failed),
        "failed": [{"case": item.name, "reasons": item.reasons} for item in failed[:MOST_FAILED]],
        "cold_start_ms": cold_start_ms,
        "requests": len(load.replies),
        "unchecked": load.unchecked,
        "concurrency": load.concurrency,
        "error_share": errors / load.wanted if load.wanted else 0.0,
        "per_second": served / load.seconds if load.seconds > 0 else 0.0,
        "p50_ms": quantile(millis, 0.50),
        "p95_ms": quantile(millis, 0.95),
        "p99_ms": quantile(millis, 0.99),
        "protocol": protocol.value,
        **about,
    }
