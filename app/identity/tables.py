from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    LargeBinary,
    UniqueConstraint,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.identity.rules import PrincipalKind
from app.platform.db import Base, tenant_pk, uuid_pk


class Tenant(Base):
    __tablename__ = "identity_tenant"

    id: Mapped[uuid_pk]
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Principal(Base):
    """A person or a service account; ``person_id`` is who answers for its acts."""

    __tablename__ = "identity_principal"
    __table_args__ = (
        UniqueConstraint("tenant_id", "name"),
        CheckConstraint("(kind = 'person') = (owner_id IS NULL)", name="service_has_owner"),
        ForeignKeyConstraint(
            ["tenant_id", "owner_id"], ["identity_principal.tenant_id", "identity_principal.id"]
        ),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    name: Mapped[str]
    kind: Mapped[PrincipalKind]
    owner_id: Mapped[UUID | None]
    roles: Mapped[list[str]]
    disabled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    @property
    def person_id(self) -> UUID:
        """The person behind this principal."""
        return self.owner_id or self.id


class Key(Base):
    """An API key, as a hash. ``prefix`` names it to people."""

    __tablename__ = "identity_key"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "principal_id"],
            ["identity_principal.tenant_id", "identity_principal.id"],
        ),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    principal_id: Mapped[UUID]
    prefix: Mapped[str]
    sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
