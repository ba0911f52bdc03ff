"""Who acts."""

from dataclasses import dataclass
from uuid import UUID

SYSTEM_ID = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Actor:
    """A principal as one request sees it.

    ``person_id`` is who answers for the act wherever separation of duties is asked: the
    principal itself, or the owner of a service account.
    """

    id: UUID
    tenant_id: UUID
    name: str
    person_id: UUID
    roles: frozenset[str]
    permissions: frozenset[str]

    @classmethod
    def system(cls, tenant_id: UUID) -> "Actor":
        """Return the server itself, as it acts on what it measured."""
        none: frozenset[str] = frozenset()
        return cls(SYSTEM_ID, tenant_id, "modelward", SYSTEM_ID, none, none)
