from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, LargeBinary, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db import Base, Json, tenant_pk


class Stream(Base):
    """The head of one chain; its row lock is the chain's only lock."""

    __tablename__ = "audit_stream"

    tenant_id: Mapped[tenant_pk]
    name: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int]
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class AuditEntry(Base):
    """One act. Rows are appended; a trigger lets nothing change but personal data into nothing.

    ``body`` is what is hashed; the columns beside it say the same for whoever asks in SQL.
    """

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index("ix_audit_entry_at", "tenant_id", "at"),
        Index(
            "ix_audit_entry_version_id",
            "tenant_id",
            "version_id",
            "at",
            postgresql_where=text("version_id IS NOT NULL"),
        ),
        Index("ix_audit_entry_actor_id", "tenant_id", "actor_id", "at"),
        Index("ix_audit_entry_action", "tenant_id", "action", "at"),
    )

    tenant_id: Mapped[tenant_pk]
    stream: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    actor_id: Mapped[UUID]
    actor_name: Mapped[str]
    action: Mapped[str]
    details: Mapped[Json]
    version_id: Mapped[UUID | None]
    body: Mapped[str | None]
    personal: Mapped[str | None]
    salt: Mapped[bytes | None] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class Pending(Base):
    """An entry that has no index in the log yet; a trigger adds it with the entry."""

    __tablename__ = "audit_pending"

    tenant_id: Mapped[tenant_pk]
    stream: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)


class Leaf(Base):
    """The place of an entry in the tenant's log, in which all streams are one sequence."""

    __tablename__ = "audit_leaf"
    __table_args__ = (UniqueConstraint("tenant_id", "stream", "seq"),)

    tenant_id: Mapped[tenant_pk]
    index: Mapped[int] = mapped_column(primary_key=True)
    stream: Mapped[str]
    seq: Mapped[int]
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class TreeNode(Base):
    """The root of a complete subtree over 256 ** level leaves."""

    __tablename__ = "audit_node"

    tenant_id: Mapped[tenant_pk]
    level: Mapped[int] = mapped_column(primary_key=True)
    index: Mapped[int] = mapped_column(primary_key=True)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class Log(Base):
    """One tenant's log; its row lock makes one sequencer at a time."""

    __tablename__ = "audit_log"

    tenant_id: Mapped[tenant_pk]
    size: Mapped[int]


class SignedCheckpoint(Base):
    """What was signed of a log at one size."""

    __tablename__ = "audit_checkpoint"

    tenant_id: Mapped[tenant_pk]
    size: Mapped[int] = mapped_column(primary_key=True)
    root: Mapped[bytes] = mapped_column(LargeBinary)
    note: Mapped[str]
    key: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class Delivery(Base):
    """How far a sink outside the database has got; ``size`` is the newest checkpoint it took."""

    __tablename__ = "audit_delivery"

    tenant_id: Mapped[tenant_pk]
    sink: Mapped[str] = mapped_column(primary_key=True)
    size: Mapped[int]
    failures: Mapped[int]
    error: Mapped[str | None]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
