from datetime import datetime

from sqlalchemy import Index, func
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db import Base, Json, tenant_pk, uuid_pk


class Outgoing(Base):
    """One event on its way out, as a CloudEvent's attributes and data."""

    __tablename__ = "notifications_outbox"
    __table_args__ = (Index("ix_notifications_outbox_at", "tenant_id", "at", "id"),)

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    type: Mapped[str]
    data: Mapped[Json]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
