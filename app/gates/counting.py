"""Whose word counts as what: pure."""

from collections.abc import Collection, Sequence
from typing import Any, Protocol
from uuid import UUID

from app.kit.actor import Actor


class Word(Protocol):
    """Somebody's decision, in roles of his own and in lent ones."""

    person_id: Any
    roles: Any
    lent: Any


def lent_in(by: Actor, conflicted: Collection[UUID]) -> dict[str, list[str]]:
    """Return the roles somebody was lent and may use here, by whose they are."""
    return {str(giver): sorted(own) for giver, own in by.lent if own and giver not in conflicted}


def counted(given: Sequence[Word]) -> list[dict[str, Any]]:
    """Return approvals as quorums and rules count them: nobody's role twice.

    A lent role counts if its owner has not decided himself, and once, whoever it was lent to.
    """
    used = {str(row.person_id) for row in given}
    found = []
    for row in given:
        lent = {role for roles in row.lent.values() for role in roles}
        roles = set(row.roles) - lent
        for giver, theirs in sorted(row.lent.items()):
            if giver not in used:
                roles |= set(theirs)
                used.add(giver)
        found.append({"person": row.person_id, "roles": sorted(roles)})
    return found
