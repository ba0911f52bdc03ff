"""Diversion: who answers for the units whose arm is stopped. Pure.

A stop is of one version or of everything. Whoever was to be answered by what is stopped is answered
by the fallback; all others keep the arm they had, for nothing else of the plan moves.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar
from uuid import UUID

FALLBACK = "fallback"
"""The arm under which a fallback answers; no plan may call one of its own so."""


class Held(Protocol):
    """An open stop, as it bears on who answers."""

    @property
    def id(self) -> UUID:
        """Its name in every answer that it changes."""

    @property
    def version_id(self) -> UUID | None:
        """The one version it stops; ``None``: everything."""


S = TypeVar("S", bound=Held)


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
