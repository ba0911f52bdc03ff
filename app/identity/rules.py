"""Roles and what they may do: data, not code."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from enum import StrEnum

from app.kit.refusal import Kind, Refusal


class Role(StrEnum):
    """The framework's people, and the machines that act for them."""

    ADMINISTRATOR = "administrator"
    DEVELOPER = "developer"
    VALIDATOR = "validator"
    OPERATOR = "operator"
    COMMITTEE = "committee"
    BUSINESS = "business"
    """The line of business: who answers for what the model is worth."""
    APPLICATION = "application"
    AUDITOR = "auditor"


class PrincipalKind(StrEnum):
    """A person, or a service account that a person answers for."""

    PERSON = "person"
    SERVICE = "service"


_READ = frozenset(
    {
        "catalog:read",
        "gates:read",
        "routing:read",
        "telemetry:read",
        "notifications:read",
    }
)

ROLES: dict[Role, frozenset[str]] = {
    # An administrator manages people and rules; he neither develops nor approves.
    Role.ADMINISTRATOR: _READ
    | {
        "identity:manage",
        "identity:read",
        "audit:read",
        "policy:write",
        "notifications:manage",
    },
    Role.DEVELOPER: _READ
    | {
        "catalog:write",
        "gates:ask",
        "gates:evidence",
        "release:open",
        "release:rework",
        "telemetry:rehearse",
        "telemetry:write",
    },
    Role.VALIDATOR: _READ
    | {
        "gates:ask",
        "gates:evidence",
        "gates:approve",
        "release:validate",
        "release:judge",
        "release:rework",
    },
    Role.OPERATOR: _READ
    | {
        "catalog:points",
        "gates:ask",
        "gates:evidence",
        "gates:approve",
        "release:judge",
        "release:rework",
        "activation:operate",
        "deployment:report",
        "routing:plan",
        "routing:stop",
        "telemetry:give",
        "catalog:retire",
        "monitor:write",
        "kpi:write",
        "notifications:manage",
        "telemetry:rehearse",
        "telemetry:write",
    },
    Role.COMMITTEE: _READ
    | {"gates:ask", "gates:approve", "kpi:write", "audit:read", "routing:stop"},
    Role.BUSINESS: _READ
    | {
        "gates:ask",
        "gates:approve",
        "gates:evidence",
        "kpi:write",
        "release:rework",
        "catalog:retire",
    },
    Role.APPLICATION: frozenset(
        {
            "routing:decide",
            "telemetry:write",
            "telemetry:outcome",
            "telemetry:give",
            "catalog:read",
            "deployment:report",
        }
    ),
    Role.AUDITOR: _READ | {"audit:read", "identity:read"},
}

DECIDING = frozenset({Role.VALIDATOR, Role.COMMITTEE, Role.OPERATOR, Role.BUSINESS})
"""Roles that judge and approve: nobody who hands out roles holds one of them."""

MACHINE = frozenset({Role.APPLICATION})
"""Roles that decide nothing about models: an administrator may put them into a machine's hand."""


class LastAdministrator(Refusal):
    """Somebody must be left who can let people in."""

    kind = Kind.CONFLICT
    code = "last_administrator"
    title = "The last administrator"
    mend = "Make somebody else an administrator first."


class Disabled(Refusal):
    """Who was disabled gets no key and answers for nobody and nothing."""

    kind = Kind.CONFLICT
    code = "disabled"
    title = "A disabled principal"
    mend = "Name an active principal."


class NoKeyYet(Refusal):
    """Who holds the first key is known only once the invitation was redeemed."""

    kind = Kind.CONFLICT
    code = "no_key_yet"
    title = "Nobody knows yet who holds the key"
    mend = "Let the person redeem the invitation, ask him whether he did, then agree again."


class StillActive(Refusal):
    """Only who has left is forgotten."""

    kind = Kind.CONFLICT
    code = "still_active"
    title = "The principal is active"
    mend = "Disable the principal first."


class BeyondOwnRights(Refusal):
    """Nobody hands out more than he has, and nobody raises himself."""

    kind = Kind.FORBIDDEN
    code = "beyond_own_rights"
    title = "More rights than your own"
    mend = (
        "Ask for no more than your own key may do. People make their own keys, the first one out of"
        " an administrator's invitation; a service account's keys are made by its owner."
    )


class NotAPerson(Refusal):
    """Only people are invited."""

    kind = Kind.INVALID
    code = "not_a_person"
    title = "A service account is not invited"
    mend = "Its owner makes its keys: POST /v1/principals/{id}/keys."


class NotAnAccount(Refusal):
    """Only service accounts act for machines."""

    kind = Kind.INVALID
    code = "not_an_account"
    title = "A person is no service account"
    mend = "Make a service account that a person answers for."


class BadInvitation(Refusal):
    """A code that is unknown, used, replaced by a newer one or expired."""

    kind = Kind.UNAUTHENTICATED
    code = "bad_invitation"
    title = "This code lets nobody in"
    mend = "Ask an administrator for a new invitation."


class OwnerRequired(Refusal):
    """A service account without a person who answers for it."""

    kind = Kind.INVALID
    code = "owner_required"
    title = "A service account needs an owner"
    mend = "Set owner to the name of a person of this tenant."


class IncompatibleRoles(Refusal):
    """Who hands out roles must not also be who decides."""

    kind = Kind.INVALID
    code = "incompatible_roles"
    title = "An administrator decides nothing"
    mend = "Make two principals of it, for two people."


def require_separable(roles: AbstractSet[Role]) -> None:
    """Refuse an administrator who would develop, judge or approve as well."""
    both = sorted(roles & (DECIDING | {Role.DEVELOPER}))
    if Role.ADMINISTRATOR in roles and both:
        raise IncompatibleRoles(
            f"An administrator cannot be {', '.join(both)} as well.", conflicting=both
        )


def require_within(asked: Iterable[str], ceiling: AbstractSet[str] | None, noun: str) -> None:
    """Refuse what exceeds ``ceiling``, by name; ``None`` is no ceiling."""
    excess = [] if ceiling is None else sorted(set(asked) - ceiling)
    if excess:
        raise BeyondOwnRights(
            f"You cannot grant the {noun} {', '.join(excess)}.", exceeding=excess, of=noun
        )


def permissions(roles: frozenset[str]) -> frozenset[str]:
    """Return all that a set of roles may do."""
    return frozenset().union(*(ROLES[Role(role)] for role in roles))
