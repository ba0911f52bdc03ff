"""Quorum: every person fills one place, and as many places are filled as can be."""

from itertools import permutations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.gates.quorum import missing

ROLES = st.sampled_from(["validator", "committee", "operator"])
PEOPLE = st.lists(st.frozensets(ROLES, min_size=1), max_size=5).map(
    lambda roles: [{"person": str(n), "roles": sorted(found)} for n, found in enumerate(roles)]
)
WANTED = st.dictionaries(ROLES, st.integers(1, 3), max_size=3).map(lambda found: [*found.items()])


def best(wanted: list[tuple[str, int]], people: list[dict[str, Any]]) -> int:
    """How many places can be filled at most: every way to give people to places is tried."""
    places = [role for role, count in wanted for _ in range(count)]
    padded = people + [{"person": None, "roles": []}] * len(places)
    return max(
        sum(place in person["roles"] for place, person in zip(places, chosen, strict=True))
        for chosen in permutations(padded, len(places))
    )


@given(WANTED.filter(lambda found: sum(count for _, count in found) <= 4), PEOPLE)
def test_as_many_places_are_filled_as_can_be(
    wanted: list[tuple[str, int]], people: list[dict[str, Any]]
) -> None:
    places = sum(count for _, count in wanted)

    assert sum(missing(wanted, people).values()) == places - best(wanted, people)


def test_one_person_in_two_roles_fills_one_place() -> None:
    both = [{"person": "1", "roles": ["committee", "validator"]}]

    assert sum(missing([("committee", 1), ("validator", 1)], both).values()) == 1
    assert missing([("committee", 1)], both) == {}


def test_the_same_person_twice_is_one_person() -> None:
    twice = [{"person": "1", "roles": ["committee"]}] * 2

    assert missing([("committee", 2)], twice) == {"committee": 1}


def test_somebody_gives_way_to_who_fits_only_there() -> None:
    people = [
        {"person": "1", "roles": ["committee", "validator"]},
        {"person": "2", "roles": ["committee"]},
    ]

    assert missing([("committee", 1), ("validator", 1)], people) == {}
