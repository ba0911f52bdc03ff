from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, synonym

from app.audit import Vouched
from app.identity.claims import Provider
from app.identity.rules import PrincipalKind
from app.platform.db import Base, Json, tenant_pk, uuid_pk


class Tenant(Vouched, Base):
    __tablename__ = "identity_tenant"
    __vouched__ = ("name", "founded_at", "created_at")
    __since__ = "created_at"

    id: Mapped[uuid_pk]
    tenant_id = synonym("id")
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    founded_at: Mapped[datetime | None]
    """Since when roles that decide take more than the administrator's word."""


class Principal(Vouched, Base):
    """A person or a service account; ``person_id`` is who answers for its acts."""

    __tablename__ = "identity_principal"
    __vouched__ = ("kind", "owner_id", "roles", "disabled_at")
    __personal__ = ("name",)
    __since__ = "created_at"
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
    change_id: Mapped[UUID | None]
    """The last change request about its roles."""
    disabled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    @property
    def person_id(self) -> UUID:
        """The person behind this principal."""
        return self.owner_id or self.id


class Key(Vouched, Base):
    """An API key, as a hash. ``prefix`` names it to people.

    Without ``roles`` it has all that its principal has at the moment, without ``points`` it is
    for every decision point. ``rule_id`` names the trust rule whose token it was made from,
    ``maker_key_id`` the key it was made with, and with which it ends.
    """

    __tablename__ = "identity_key"
    __vouched__ = (
        "principal_id", "prefix", "sha256", "roles", "points", "issuer_id", "maker_key_id",
        "rule_id", "expires_at", "revoked_at",
    )  # fmt: skip
    __since__ = "created_at"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "principal_id"],
            ["identity_principal.tenant_id", "identity_principal.id"],
        ),
        Index("ix_identity_key_maker_key_id", "tenant_id", "maker_key_id"),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    principal_id: Mapped[UUID]
    prefix: Mapped[str]
    sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    roles: Mapped[list[str] | None] = mapped_column(JSONB(none_as_null=True))
    points: Mapped[list[str] | None] = mapped_column(JSONB(none_as_null=True))
    issuer_id: Mapped[UUID | None]
    maker_key_id: Mapped[UUID | None]
    rule_id: Mapped[UUID | None]
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Invitation(Vouched, Base):
    """A one-time code for a person's first key, as a hash; only the newest holds."""

    __tablename__ = "identity_invitation"
    __vouched__ = ("principal_id", "prefix", "sha256", "created_by", "expires_at", "ended_at")
    __since__ = "created_at"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "principal_id"],
            ["identity_principal.tenant_id", "identity_principal.id"],
        ),
        Index("ix_identity_invitation_principal_id", "tenant_id", "principal_id"),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    principal_id: Mapped[UUID]
    prefix: Mapped[str]
    sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_by: Mapped[UUID]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class TrustRule(Vouched, Base):
    """Whose tokens are exchanged for a service account's key, and for which rights."""

    __tablename__ = "identity_trust_rule"
    __vouched__ = (
        "provider", "issuer", "audience", "claims", "principal_id", "roles", "max_minutes",
        "disabled_at", "name", "created_by",
    )  # fmt: skip
    __since__ = "created_at"
    __table_args__ = (
        UniqueConstraint("tenant_id", "name"),
        CheckConstraint("max_minutes BETWEEN 1 AND 15", name="short_lived"),
        ForeignKeyConstraint(
            ["tenant_id", "principal_id"],
            ["identity_principal.tenant_id", "identity_principal.id"],
        ),
        # Who brings a token knows the rule and not the tenant.
        Index("ix_identity_trust_rule_id", "id"),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    name: Mapped[str]
    provider: Mapped[Provider]
    issuer: Mapped[str]
    audience: Mapped[str]
    claims: Mapped[Json]
    principal_id: Mapped[UUID]
    roles: Mapped[list[str]]
    max_minutes: Mapped[int]
    created_by: Mapped[UUID]
    disabled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class OidcUse(Base):
    """A token that was exchanged: the row comes before the key, so that there is only one key."""

    __tablename__ = "identity_oidc_use"

    tenant_id: Mapped[tenant_pk]
    issuer: Mapped[str] = mapped_column(primary_key=True)
    jti: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    """SHA-256 of the token's own id."""
    expires_at: Mapped[datetime] = mapped_column(index=True)


class RightsRevision(Vouched, Base):
    """The decision rights as they stood from one edit to the next. Rows are appended."""

    __tablename__ = "identity_rights"
    __vouched__ = ("body", "digest", "author_id", "at")

    tenant_id: Mapped[tenant_pk]
    revision: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[Json]
    digest: Mapped[str]
    author_id: Mapped[UUID]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class Delegation(Vouched, Base):
    """Somebody decides in another's roles until a date, or until it is ended."""

    __tablename__ = "identity_delegation"
    __vouched__ = ("from_id", "to_id", "roles", "until", "ended_at", "at")
    __personal__ = ("reason",)
    __table_args__ = (
        CheckConstraint("from_id <> to_id", name="to_another"),
        Index("ix_identity_delegation_to_id", "tenant_id", "to_id"),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    from_id: Mapped[UUID]
    to_id: Mapped[UUID]
    roles: Mapped[list[str]]
    until: Mapped[datetime]
    reason: Mapped[str]
    ended_at: Mapped[datetime | None]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class SigningKey(Vouched, Base):
    """A public Ed25519 key, whose other half a principal has shown to have. It lets nobody in."""

    __tablename__ = "identity_signing_key"
    __vouched__ = ("principal_id", "public_key", "issuer_id", "revoked_at", "at")
    __table_args__ = (
        UniqueConstraint("tenant_id", "public_key"),
        ForeignKeyConstraint(
            ["tenant_id", "principal_id"],
            ["identity_principal.tenant_id", "identity_principal.id"],
        ),
        Index("ix_identity_signing_key_principal_id", "tenant_id", "principal_id"),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    principal_id: Mapped[UUID]
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    issuer_id: Mapped[UUID]
    revoked_at: Mapped[datetime | None]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
