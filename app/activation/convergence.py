"""What should run where, beside what is reported to run there. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID


class Environment(StrEnum):
    """Where a target runs what it is given."""

    ON_PREMISES = "on_premises"
    CLOUD = "cloud"
    STREAMING = "streaming"
    BATCH = "batch"
    EDGE = "edge"


class Duty(StrEnum):
    """What a target should do with a version."""

    SERVING = "serving"
    WARM = "warm"
    NONE = "none"


class Running(StrEnum):
    """What a deployer says of a version at a target."""

    PULLING = "pulling"
    WARM = "warm"
    SERVING = "serving"
    FAILED = "failed"
    STOPPED = "stopped"


class Sync(StrEnum):
    """How what is reported stands to what is desired; the later, the worse."""

    IN_SYNC = "in_sync"
    MISSING = "missing"
    """Nothing was reported yet, and it is not too long since it is desired."""
    STALE = "stale"
    """The last report is too old, or it is too long since it is desired and none ever came."""
    DRIFTED = "drifted"


UP = frozenset({Running.WARM, Running.SERVING})
"""What answers calls, or could at once."""
_FULFILS: dict[Duty, frozenset[Running]] = {
    Duty.SERVING: frozenset({Running.SERVING}),
    # What serves is warm as well: who decides is routing's to say.
    Duty.WARM: UP,
    Duty.NONE: frozenset({Running.STOPPED}),
}
_WORSE = list(Sync)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A version that every target of a point should have, and why."""

    version_id: UUID
    model: str
    version: int
    digest: str | None
    endpoint: str | None
    state: Duty
    because: str
    since: datetime
    """When it began to be desired."""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """The newest report about a version at a target."""

    version_id: UUID
    digest: str
    state: Running
    at: datetime
    independent: bool
    """Told by somebody who did not develop the version."""


@dataclass(frozen=True, slots=True)
class Place:
    """A target, as far as it matters here, with what it was told to run."""

    name: str
    required: bool
    stale_after: timedelta
    since: datetime
    """When it was named: before, nobody could report of it."""
    told: dict[UUID, Told]

    def fresh(self, told: Told, now: datetime) -> bool:
        """Say whether a report can still be believed."""
        return told.at > now - self.stale_after


def sync_of(wanted: Wanted, place: Place, now: datetime) -> Sync:
    """Say how a target stands to one version that it should have."""
    told = place.told.get(wanted.version_id)
    if told is None:
        waited = now - max(wanted.since, place.since)
        return Sync.STALE if waited >= place.stale_after else Sync.MISSING
    if not place.fresh(told, now):
        return Sync.STALE
    if told.digest != wanted.digest or told.state not in _FULFILS[wanted.state]:
        return Sync.DRIFTED
    return Sync.IN_SYNC


def left_over(wanted: Iterable[Wanted], place: Place, now: datetime) -> list[Told]:
    """Return what a target still runs and should not."""
    asked = {item.version_id for item in wanted}
    return [
        told
        for told in place.told.values()
        if told.version_id not in asked
        and told.state not in _FULFILS[Duty.NONE]
        and told.state is not Running.FAILED
        and place.fresh(told, now)
    ]


def worst(found: Iterable[Sync]) -> Sync:
    """Return the worst of several; nothing to have is in sync."""
    return max(found, key=_WORSE.index, default=Sync.IN_SYNC)


def lacking(digest: str | None, version_id: UUID, place: Place, now: datetime) -> str | None:
    """Say why a target could not answer with a version at once, or nothing if it could."""
    if digest is None:  # what was published without one can be told from nothing else
        return "no_digest"
    told = place.told.get(version_id)
    if told is None:
        return "missing"
    if not place.fresh(told, now):
        return "stale"
    if told.digest != digest:
        return "mismatched"
    return None if told.state in UP else told.state.value


def judged(places: Sequence[Place]) -> list[Place]:
    """Return the targets that a deployment is judged by: the required ones, or all."""
    return [place for place in places if place.required] or list(places)


def deployment(
    digest: str | None, version_id: UUID, places: Sequence[Place], now: datetime
) -> dict[str, Any]:
    """Return the facts of a deployment: where a version is up, and under which one digest.

    ``digest`` is what every target that is judged reports, fresh and up; nothing where one of them
    says something else, nothing new, or nothing at all.
    """
    asked = judged(places)
    told = [place.told.get(version_id) for place in asked]
    up = [
        one
        for place, one in zip(asked, told, strict=True)
        if one is not None and place.fresh(one, now) and one.state in UP
    ]
    running = {one.digest for one in up}
    why = {place.name: lacking(digest, version_id, place, now) for place in places}
    return {
        "digest": running.pop() if len(running) == 1 and len(up) == len(asked) else "",
        "targets": len(places),
        "ready": sum(reason is None for reason in why.values()),
        "mismatched": sum(reason == "mismatched" for reason in why.values()),
        "stale": sum(reason == "stale" for reason in why.values()),
        "missing": sum(reason == "missing" for reason in why.values()),
        "independent": all(one is not None and one.independent for one in told),
        "unready": {name: reason for name, reason in why.items() if reason is not None},
    }
