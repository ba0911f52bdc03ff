"""Roles and what they may do: data, not code."""

from enum import StrEnum

from app.kit.refusal import Kind, Refusal


class Role(StrEnum):
    """The framework's people, and the machines that act for them."""

    ADMINISTRATOR = "administrator"
    DEVELOPER = "developer"
    VALIDATOR = "validator"
    OPERATOR = "operator"
    COMMITTEE = "committee"
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
    Role.ADMINISTRATOR: _READ | {"identity:manage", "identity:read", "audit:read", "policy:write"},
    Role.DEVELOPER: _READ
    | {
        "catalog:write",
        "gates:evidence",
        "release:open",
        "telemetry:rehearse",
        "telemetry:write",
    },
    Role.VALIDATOR: _READ
    | {"gates:evidence", "gates:approve", "release:validate", "release:judge"},
    Role.OPERATOR: _READ
    | {
        "catalog:points",
        "gates:evidence",
        "gates:approve",
        "release:judge",
        "activation:operate",
        "routing:plan",
        "monitor:write",
        "kpi:write",
        "telemetry:rehearse",
        "telemetry:write",
    },
    Role.COMMITTEE: _READ | {"gates:approve", "kpi:write", "audit:read"},
    Role.APPLICATION: frozenset(
        {"routing:decide", "telemetry:write", "telemetry:outcome", "catalog:read"}
    ),
    Role.AUDITOR: _READ | {"audit:read", "identity:read"},
}


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


class BeyondOwnRights(Refusal):
    """Nobody hands out a right he does not administer."""

    kind = Kind.FORBIDDEN
    code = "beyond_own_rights"
    title = "More rights than your own"
    mend = "Ask an administrator."


class OwnerRequired(Refusal):
    """A service account without a person who answers for it."""

    kind = Kind.INVALID
    code = "owner_required"
    title = "A service account needs an owner"
    mend = "Set owner to the name of a person of this tenant."


def permissions(roles: frozenset[str]) -> frozenset[str]:
    """Return all that a set of roles may do."""
    return frozenset().union(*(ROLES[Role(role)] for role in roles))
