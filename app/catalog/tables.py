from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Identity,
    Index,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from app.audit import Vouched
from app.catalog.rules import AssetKind, Descent, PointKind, ReturnTo, RiskTier, Stage
from app.platform.db import Base, Json, tenant_pk, uuid_pk


class Model(Vouched, Base):
    """An analytical asset; ``last_number`` is its newest version, and its lock."""

    __tablename__ = "catalog_model"
    __vouched__ = ("name", "kind", "risk_tier", "owner_id", "purpose")
    __since__ = "created_at"
    __table_args__ = (
        UniqueConstraint("tenant_id", "name"),
        Index("ix_catalog_model_tags", "tags", postgresql_using="gin"),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    name: Mapped[str]
    kind: Mapped[AssetKind]
    risk_tier: Mapped[RiskTier]
    owner_id: Mapped[UUID]
    purpose: Mapped[str]
    tags: Mapped[Json]
    last_number: Mapped[int] = mapped_column(default=0)
    revision: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Version(Vouched, Base):
    """One version of a model; immutable but for stage and tags."""

    __tablename__ = "catalog_version"
    __vouched__ = (
        "model_id", "number", "source", "digest", "signature", "training_data", "lineage", "card",
        "content_digest", "stage", "returned_to", "developer_id",
    )  # fmt: skip
    __since__ = "created_at"
    __table_args__ = (
        UniqueConstraint("tenant_id", "model_id", "number"),
        ForeignKeyConstraint(
            ["tenant_id", "model_id"], ["catalog_model.tenant_id", "catalog_model.id"]
        ),
        CheckConstraint("(stage = 'returned') = (returned_to IS NOT NULL)", name="returned_to"),
        Index("ix_catalog_version_stage", "tenant_id", "stage"),
        Index(
            "ix_catalog_version_data_reference",
            "tenant_id",
            text("md5(training_data ->> 'reference'::text)"),
        ),
        Index(
            "ix_catalog_version_data_digest",
            "tenant_id",
            text("(training_data ->> 'digest'::text)"),
        ),
        Index(
            "ix_catalog_version_unsearched", "tenant_id", "id",
            postgresql_where=text("searched IS NULL"),
        ),
    )  # fmt: skip

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    model_id: Mapped[UUID]
    number: Mapped[int]
    source: Mapped[str]
    digest: Mapped[str | None]
    signature: Mapped[Json]
    training_data: Mapped[Json]
    lineage: Mapped[Json]
    card: Mapped[Json]
    specifics: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    """What its kind asks for; vouched for by ``content_digest``, which covers it."""
    content_digest: Mapped[str]
    stage: Mapped[Stage] = mapped_column(default=Stage.PUBLISHED)
    returned_to: Mapped[ReturnTo | None]
    tags: Mapped[Json]
    revision: Mapped[int] = mapped_column(default=1)
    developer_id: Mapped[UUID]
    """The person who registered it, through whatever account; he never approves it."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    searched: Mapped[bool | None] = mapped_column(default=True)
    """It has its row in the search; a release that knew of none left nothing here."""


class SearchRow(Base):
    """What a version is found by. The three parts change one by one, each by its own writer.

    ``ordinal`` is the order of results; 2048 in a row are a window. The inverted index is over an
    expression, which Alembic cannot compare: only its migration knows it.
    """

    __tablename__ = "catalog_search"
    __table_args__ = (
        UniqueConstraint("tenant_id", "ordinal"),
        Index("ix_catalog_search_model_id", "tenant_id", "model_id", "ordinal"),
    )

    tenant_id: Mapped[tenant_pk]
    version_id: Mapped[UUID] = mapped_column(primary_key=True)
    model_id: Mapped[UUID]
    ordinal: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    ward: Mapped[str]
    content: Mapped[str] = mapped_column(TSVECTOR)
    about: Mapped[str] = mapped_column(TSVECTOR)
    state: Mapped[str] = mapped_column(TSVECTOR)


class DescentRow(Base):
    """One version came out of another: the index of what lineages and change procedures say."""

    __tablename__ = "catalog_descent"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "child_id"], ["catalog_version.tenant_id", "catalog_version.id"]
        ),
        ForeignKeyConstraint(
            ["tenant_id", "parent_id"], ["catalog_version.tenant_id", "catalog_version.id"]
        ),
        Index("ix_catalog_descent_parent_id", "tenant_id", "parent_id"),
    )

    tenant_id: Mapped[tenant_pk]
    child_id: Mapped[UUID] = mapped_column(primary_key=True)
    parent_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[Descent] = mapped_column(primary_key=True)


class Member(Vouched, Base):
    """A version inside of an ensemble's. Rows are appended, never updated."""

    __tablename__ = "catalog_member"
    __vouched__ = ("position", "role", "weight")
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "ensemble_id"], ["catalog_version.tenant_id", "catalog_version.id"]
        ),
        ForeignKeyConstraint(
            ["tenant_id", "member_id"], ["catalog_version.tenant_id", "catalog_version.id"]
        ),
        UniqueConstraint("tenant_id", "ensemble_id", "position"),
        CheckConstraint("ensemble_id <> member_id", name="another"),
        Index("ix_catalog_member_member_id", "tenant_id", "member_id"),
    )

    tenant_id: Mapped[tenant_pk]
    ensemble_id: Mapped[UUID] = mapped_column(primary_key=True)
    member_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int]
    role: Mapped[str]
    weight: Mapped[float | None]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class Instance(Vouched, Base):
    """A version as it is set up for one segment; ended, it stays with the date."""

    __tablename__ = "catalog_instance"
    __vouched__ = (
        "version_id", "key", "segment", "parameters", "endpoint", "author_id", "at", "ended_at",
    )  # fmt: skip
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "version_id"], ["catalog_version.tenant_id", "catalog_version.id"]
        ),
        Index(
            "uq_catalog_instance_standing",
            "tenant_id",
            "version_id",
            "key",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_catalog_instance_version_id", "tenant_id", "version_id", "key", "id"),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    version_id: Mapped[UUID]
    key: Mapped[str]
    segment: Mapped[Json]
    parameters: Mapped[Json]
    endpoint: Mapped[str | None]
    author_id: Mapped[UUID]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]


class Alias(Vouched, Base):
    __tablename__ = "catalog_alias"
    __vouched__ = ("version_id", "set_at")
    __since__ = "set_at"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "version_id"], ["catalog_version.tenant_id", "catalog_version.id"]
        ),
    )

    tenant_id: Mapped[tenant_pk]
    model_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    version_id: Mapped[UUID]
    set_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())


class DecisionPoint(Vouched, Base):
    """Where insight is delivered: the framework's endpoint."""

    __tablename__ = "catalog_decision_point"
    __vouched__ = ("key", "kind", "owner_id", "contract")
    __since__ = "created_at"
    __table_args__ = (UniqueConstraint("tenant_id", "key"),)

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    key: Mapped[str]
    kind: Mapped[PointKind]
    owner_id: Mapped[UUID]
    description: Mapped[str]
    contract: Mapped[Json]
    revision: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
