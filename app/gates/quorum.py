"""Quorum: how many people of which roles must approve. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Approvals = Sequence[Mapping[str, Any]]
"""Each with a ``person`` and the ``roles`` he decides in."""


def missing(wanted: Iterable[tuple[str, int]], approvals: Approvals) -> dict[str, int]:
    """Return how many approvals each role still lacks, every person counting for one role.

    People are given to the places of the quorum so that as many as possible are filled: somebody
    who is validator and committee member fills either, never both.
    """
    places = [role for role, count in wanted for _ in range(count)]
    people = {str(item["person"]): frozenset(item["roles"]) for item in approvals}
    taken: dict[str, int] = {}
    for place in range(len(places)):
        _seat(place, places, people, taken, set())
    filled = set(taken.values())
    lacking: dict[str, int] = {}
    for place, role in enumerate(places):
        if place not in filled:
            lacking[role] = lacking.get(role, 0) + 1
    return lacking


def _seat(
    place: int,
    places: Sequence[str],
    people: Mapping[str, frozenset[str]],
    taken: dict[str, int],
    seen: set[str],
) -> bool:
    """Find somebody for a place, moving others to where they fit as well (augmenting paths)."""
    for person, roles in people.items():
        if places[place] not in roles or person in seen:
            continue
        seen.add(person)
        if person not in taken or _seat(taken[person], places, people, taken, seen):
            taken[person] = place
            return True
    return False
