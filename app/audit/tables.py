from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, LargeBinary
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
    """One act. Rows are appended, never updated; a trigger refuses the rest."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index("ix_audit_entry_at", "tenant_id", "at"),)

    tenant_id: Mapped[tenant_pk]
    stream: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    actor_id: Mapped[UUID]
    actor_name: Mapped[str]
    action: Mapped[str]
    details: Mapped[Json]
    hash: Mapped[bytes] = mapped_column(LargeBinary)
