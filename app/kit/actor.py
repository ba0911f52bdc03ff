"""Who acts."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from app.kit.refusal import Kind, Refusal

SYSTEM_ID = UUID(int=0)
Lent = tuple[tuple[UUID, frozenset[str]], ...]
"""Roles of others in which somebody may decide for a while, by whose they are."""


class OutOfScope(Refusal):
    """The key is for other decision points than the one the request names."""

    kind = Kind.FORBIDDEN
    code = "out_of_scope"
    title = "A key for other decision points"
    mend = "Use a key whose points include this one, or one without points."


@dataclass(frozen=True, slots=True)
class Actor:
    """A principal as one request sees it.

    ``person_id`` is who answers for the act wherever separation of duties is asked: the
    principal itself, or the owner of a service account. ``roles`` are those of the key in hand,
    ``points`` the decision points it is for; ``None`` means all.
    """

    id: UUID
    tenant_id: UUID
    name: str
    person_id: UUID
    roles: frozenset[str]
    permissions: frozenset[str]
    points: frozenset[str] | None = None
    key_id: UUID | None = None
    lent: Lent = ()

    def deciding(self, conflicted: Iterable[UUID] = ()) -> frozenset[str]:
        """Return the roles to decide in: one's own, and those lent by nobody ``conflicted``."""
        barred = set(conflicted)
        return self.roles.union(*(roles for giver, roles in self.lent if giver not in barred))

    @classmethod
    def system(cls, tenant_id: UUID) -> "Actor":
        """Return the server itself, as it acts on what it measured."""
        none: frozenset[str] = frozenset()
        return cls(SYSTEM_ID, tenant_id, "modelward", SYSTEM_ID, none, none)

    def require_point(self, key: str | None) -> None:
        """Refuse a decision point that the key in hand is not for, or what is about none."""
        if self.points is not None and key not in self.points:
            asked = "what is about none" if key is None else repr(key)
            raise OutOfScope(
                f"This key of {self.name} is for some decision points, and not for {asked}.",
                points=sorted(self.points),
            )
