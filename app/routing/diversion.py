"""Diversion: who answers for the units whose arm is stopped. Pure.

A stop is of one version or of everything. Whoever was to be answered by what is stopped is answered
by the fallback; all others keep the arm they had, for nothing else of the plan moves.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

FALLBACK = "fallback"
"""The arm under which a fallback answers; no plan may call one of its own so."""
ROLLED_BACK = "rolled_back"
"""Cause of the seat of who came back: whoever sat there until then was thrown out."""


class Held(Protocol):
    """An open stop, as it bears on who answers."""

    @property
    def id(self) -> UUID:
        """Its name in every answer that it changes."""

    @property
    def version_id(self) -> UUID | None:
        """The one version it stops; ``None``: everything."""


class Reigned(Protocol):
    """A champion's seat, past or present."""

    @property
    def version_id(self) -> UUID:
        """Who sat there."""

    @property
    def cause(self) -> str:
        """How he came to."""

    @property
    def since(self) -> datetime:
        """His first instant."""

    @property
    def until(self) -> datetime | None:
        """The first instant after him, if he left."""


S = TypeVar("S", bound=Held)
R = TypeVar("R", bound=Reigned)


@dataclass(frozen=True, slots=True)
class Share:
    """A part of the units: the arm they have by plan, and the stop that takes it from them."""

    name: str
    version_id: UUID | None
    weight: int
    stop: UUID | None = None


def of_everything(stops: Iterable[S]) -> S | None:
    """Return the stop that nothing of a plan survives, if there is one; the first by id."""
    return min((s for s in stops if s.version_id is None), key=lambda s: s.id, default=None)


def divert(arms: Sequence[tuple[str, UUID, int]], stops: Collection[Held]) -> list[Share]:
    """Return who answers which share of the units, in the order and size of the plan's arms."""
    whole = of_everything(stops)
    if whole is not None:
        return [Share(FALLBACK, None, 1, whole.id)]
    by_version: dict[UUID, UUID] = {}
    for stop in sorted(stops, key=lambda stop: stop.id, reverse=True):
        if stop.version_id is not None:
            by_version[stop.version_id] = stop.id
    return [
        Share(FALLBACK, None, weight, by_version[version_id])
        if version_id in by_version
        else Share(name, version_id, weight)
        for name, version_id, weight in arms
    ]


def predecessor(seats: Iterable[R], barred: Collection[UUID]) -> R | None:
    """Return the seat of the last champion before the newest one who may stand in for him.

    Not who is ``barred``, nor who was thrown out of his last seat by a rollback: he is why there
    was one.
    """
    reigns = sorted(seats, key=lambda seat: (seat.until is None, seat.until or seat.since))
    back = {seat.since for seat in reigns if seat.cause == ROLLED_BACK}
    seen = set(barred) | {seat.version_id for seat in reigns[-1:]}
    for seat in reversed(reigns[:-1]):
        if seat.version_id in seen:
            continue
        seen.add(seat.version_id)
        if seat.until not in back:
            return seat
    return None
