from datetime import datetime

from sqlalchemy import BigInteger, Identity, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db import Base, Json, tenant_pk, uuid_pk


class Outgoing(Base):
    """One event on its way out, as a CloudEvent's attributes and data.

    ``position`` is its place in the feed: given once it is committed, so that nothing is ever put
    before what a reader has seen.
    """

    __tablename__ = "notifications_outbox"
    __table_args__ = (
        Index("uq_notifications_outbox_position", "tenant_id", "position", unique=True),
        Index(
            "ix_notifications_outbox_told", "tenant_id", "told",
            postgresql_where=text("position IS NULL"),
        ),
    )  # fmt: skip

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    type: Mapped[str]
    data: Mapped[Json]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    told: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    """The order of telling: events of one act keep it in the feed."""
    position: Mapped[int | None]
