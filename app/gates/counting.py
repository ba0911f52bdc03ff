"""Whose word counts as what: pure."""

import re
from collections.abc import Collection, Sequence
from typing import Any, Protocol
from uuid import UUID

from app.gates.policy import Gate, Severity
from app.gates.quorum import missing
from app.kit.actor import Actor

_NAMED = re.compile(r"""["']([a-z_]{1,40})["']\s+in\s+\w+\.roles\b""")


class Word(Protocol):
    """Somebody's decision, in roles of his own and in lent ones."""

    approved: Any
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


def lacking(gate: Gate, given: Sequence[Word]) -> dict[str, int]:
    """Return how many approvals of which role a gate's quorum still asks for."""
    quorum = [(item.role, item.count) for item in gate.quorum]
    return missing(quorum, counted([row for row in given if row.approved]))


def deciders(gate: Gate) -> set[str]:
    """Return the roles whose approval a gate asks for: its quorum, and rules that must hold."""
    rules = [rule.when for rule in gate.rules if rule.severity is Severity.BLOCK]
    return {item.role for item in gate.quorum} | set(_NAMED.findall("\n".join(rules)))


def awaited(gate: Gate, given: Sequence[Word]) -> list[str]:
    """Return the roles whose approval a gate asks for and that is not among those ``given``."""
    heard = {
        role for one in counted([row for row in given if row.approved]) for role in one["roles"]
    }
    return sorted((deciders(gate) - heard) | lacking(gate, given).keys())
