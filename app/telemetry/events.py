"""Scored events as they come in: checked one by one, refused one by one. Pure."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, NamedTuple
from uuid import UUID

from app.kit.refusal import Invalid, Refusal
from app.telemetry.token import Claim

MAX_EVENTS = 10_000
MOST_NAMED = 100
"""So many of the rejected ones a refusal of the whole lists."""
REHEARSAL = "rehearsal"
REHEARSED = frozenset({"model", "version", "decision_point"})
"""What a batch names beside its rows to be a rehearsal; all of them or none."""
SHADOW_PREFIX = "shadow:"
HOLDOUT = "holdout"
"""The arm of the units that a plan leaves alone; no plan may call one of its own so."""
GIVEN_PREFIX = "given:"
"""Before the name of what counted a profile elsewhere: no arm of a plan is ever called so."""
FIELDS = frozenset({"event_id", "token", "at", "features", "score", "prediction", "latency_ms"})
NUMBERS = frozenset({int, float, bool})
NESTED = frozenset({dict, list})
GREATEST = 1e15
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
EARLIEST = timedelta(days=1) // _MICROSECOND
AHEAD = timedelta(hours=1) // _MICROSECOND


class Bounds(NamedTuple):
    """The least decision that is remembered, and when subjects were erased, in milliseconds."""

    oldest: bytes
    erased: Mapping[bytes, int]

    @property
    def everything(self) -> bool:
        """Whether every decision's events are taken."""
        return not any(self.oldest) and not self.erased

    def require(self, claim: Claim) -> None:
        """Refuse a decision that is not remembered, or about somebody who was erased since."""
        if claim.decision_id < self.oldest:
            raise EventTooOld("The decision lies before what is remembered.")
        if claim.at_ms <= self.erased.get(claim.unit, -1):
            raise SubjectErased("The decision's subject was erased after it.")


EVERYTHING = Bounds(bytes(16), {})
ClaimOf = Callable[[str | None, bytes | None], Claim]
"""Turns a token, or its absence and an event id, into a claim, or refuses."""


class BadEvent(Invalid):
    """One event of a batch is not acceptable; the others are."""

    code = "bad_event"
    title = "Unacceptable event"
    mend = "Correct the event and send it again; accepted ones are recognised and not doubled."


class UnknownEvent(BadEvent):
    """An outcome names an event by its sender's id that has not come."""

    code = "unknown_event"
    title = "No event of this id"
    mend = "Send the event first, or name the outcome's decision_id."


class SaidBefore(BadEvent):
    """An outcome says something else than the same revision of it that is stored."""

    code = "outcome_said_before"
    title = "The decision's outcome was said otherwise"
    mend = "Send all that is known of the decision with a higher revision."


class NoEvents(Invalid):
    """A batch without anything in it to take."""

    code = "no_events"
    title = "No acceptable event in the batch"
    mend = (
        'Send {"{noun}": [...]}, or {noun} as JSON lines or an Arrow stream, with at least one that'
        " is acceptable."
    )


class EventTooOld(BadEvent):
    """Its decision lies before what is remembered: whether it was stored once cannot be said."""

    code = "event_too_old"
    title = "The event's decision is no longer remembered"
    mend = "Leave it out; GET /v1/telemetry-retention says how long receipts are kept."


class SubjectErased(BadEvent):
    """It is about somebody who was erased after it was decided: nothing of it is kept."""

    code = "subject_erased"
    title = "The event's subject was erased"
    mend = "Leave it out; what is decided about the subject from now on is taken."


class BatchRefused(Invalid):
    """All or nothing was asked for, and something of the batch is not acceptable."""

    code = "batch_refused"
    title = "Nothing was stored, for not everything is acceptable"
    mend = "Correct what `rejected` names and send the batch again, or send it without atomic=true."


class TooManyEvents(Invalid):
    """More than one call takes."""

    code = "too_many_events"
    title = "Too many events in one call"
    mend = f"Send at most {MAX_EVENTS} a call."


class Micros(int):
    """A time as microseconds since 1970, where a sender's format has times of its own."""


@dataclass(slots=True)
class Event:
    """One acceptable event. Ids are 16 bytes, ``at`` is microseconds since 1970."""

    event_id: bytes | None
    claim: Claim
    at: int
    features: dict[str, Any]
    score: float | None
    prediction: float | None
    latency_ms: float | None


def items(body: Any, noun: str) -> list[Any]:
    """Return the list under ``noun``; refuse any other shape of body."""
    if not isinstance(body, dict) or not isinstance(body.get(noun), list):
        raise NoEvents(f'The body must be {{"{noun}": [...]}}.', filled={"noun": noun})
    found: list[Any] = body[noun]
    if not found:
        raise NoEvents(f"The list of {noun} is empty.", filled={"noun": noun})
    if len(found) > MAX_EVENTS:
        raise TooManyEvents(f"{len(found)} {noun}; {MAX_EVENTS} are taken.", limit=MAX_EVENTS)
    return found


def require_whole(bad: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a batch of which all or nothing is to be stored, if anything of it is bad."""
    if bad:
        detail = f"{len(bad)} of the batch are not acceptable; nothing of it was stored."
        raise BatchRefused(detail, rejected=list(bad[:MOST_NAMED]), count=len(bad))


def read(rows: Sequence[Any], claim_of: ClaimOf) -> tuple[list[Event], list[dict[str, Any]]]:
    """Return the acceptable events, and for each other its index and what is wrong with it."""
    good: list[Event] = []
    bad: list[dict[str, Any]] = []
    for index, row in enumerate(rows):
        try:
            good.append(_read(row, claim_of))
        except Refusal as refusal:
            bad.append(rejected(index, refusal))
    return good, bad


def rejected(index: int, refusal: Refusal) -> dict[str, Any]:
    """Return what a sender is told of one row: its index and what is wrong with it."""
    return {"index": index, "code": refusal.code, "detail": refusal.detail}


def require_object(row: Any, noun: str) -> None:
    """Refuse a row that is no object, in its reader's own words if he had some."""
    if not isinstance(row, dict):
        raise row if isinstance(row, Refusal) else BadEvent(f"{noun} is an object.")


def _read(row: Any, claim_of: ClaimOf) -> Event:
    if not isinstance(row, dict):
        require_object(row, "An event")
    if not row.keys() <= FIELDS:
        raise BadEvent(f"Unknown field {min(row.keys() - FIELDS)!r}.")
    token = row.get("token")
    if token is not None and not isinstance(token, str):
        raise BadEvent("token is a string.")
    sent = row.get("event_id")
    event_id = None if sent is None else uuid_bytes(sent, "event_id")
    claim = claim_of(token, event_id)
    features = row.get("features")
    if features is None:
        features = {}
    elif not isinstance(features, dict):
        raise BadEvent("features is an object of variable names and values.")
    if not NESTED.isdisjoint(map(type, features.values())):
        raise BadEvent("A feature is a number, a string, a truth value or null.")
    return Event(
        event_id=None if token is None else event_id,
        claim=claim,
        at=micros(row.get("at")),
        features=features,
        score=number(row, "score"),
        prediction=number(row, "prediction"),
        latency_ms=number(row, "latency_ms"),
    )


def rehearsed_id(point_id: bytes, version_id: bytes, arm: str, sent: bytes) -> bytes:
    """Return the id a rehearsed event or outcome is kept under.

    Rehearsals name their events themselves; in a space of their own they can neither take the place
    of a production event nor label one. ``arm`` says of which release, and begins with its kind.
    """
    person = arm.encode()
    return blake2b(sent, digest_size=16, key=point_id + version_id, person=person).digest()


def uuid_bytes(text: Any, field: str) -> bytes:
    """Return the 16 bytes of a UUID in text."""
    try:
        return UUID(text).bytes
    except (ValueError, AttributeError, TypeError) as error:
        raise BadEvent(f"{field} is not a UUID.") from error


def micros(text: Any) -> int:
    """Return an RFC 3339 time with its zone as microseconds since 1970."""
    if isinstance(text, str):
        try:
            found = datetime.fromisoformat(text)
        except ValueError as error:
            raise BadEvent(f"at is not an RFC 3339 time: {text[:40]!r}.") from error
        if found.tzinfo is None:
            raise BadEvent("at has no time zone; add Z or an offset.")
        at = (found - _EPOCH) // _MICROSECOND
    elif isinstance(text, Micros):
        at = int(text)
    else:
        raise BadEvent("at is required: the event's time with its zone (RFC 3339).")
    if not EARLIEST <= at <= time.time_ns() // 1000 + AHEAD:
        raise BadEvent("at lies before 1970 or in the future.")
    return at


def number(row: dict[str, Any], field: str) -> float | None:
    """Return an optional number or truth value as a float."""
    value = row.get(field)
    if value is None:
        return None
    if type(value) not in NUMBERS:
        raise BadEvent(f"{field} is a number.")
    if not abs(value) <= GREATEST:
        raise BadEvent(f"{field} lies outside ±{GREATEST:g}.")
    return float(value)
