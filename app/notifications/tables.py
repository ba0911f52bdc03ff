from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.audit import Vouched
from app.notifications.rules import Disabled, State
from app.platform.db import Base, Json, tenant_pk, uuid_pk

_OF_WEBHOOK = (
    ["tenant_id", "webhook_id"],
    ["notifications_webhook.tenant_id", "notifications_webhook.id"],
)


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


class Webhook(Vouched, Base):
    """A receiver of events."""

    __tablename__ = "notifications_webhook"
    __vouched__ = ("url", "types", "active", "disabled", "created_by")
    __personal__ = ("description",)
    __since__ = "created_at"

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    url: Mapped[str]
    types: Mapped[list[str]]
    description: Mapped[str]
    active: Mapped[bool] = mapped_column(default=True)
    disabled: Mapped[Disabled | None]
    """Why the server switched it off, if it did."""
    revision: Mapped[int] = mapped_column(default=1)
    created_by: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Listening(Vouched, Base):
    """Which alerts a receiver is told of, if it is not told of all.

    No foreign key: a release that knows of none of this removes receivers, too.
    """

    __tablename__ = "notifications_listening"
    __vouched__ = ("alerts", "at")

    tenant_id: Mapped[tenant_pk]
    webhook_id: Mapped[UUID] = mapped_column(primary_key=True)
    alerts: Mapped[Json]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Secret(Vouched, Base):
    """What a receiver's messages are signed with; all that have not ended sign.

    Kept apart from its receiver, as the tenants' token keys are, so that no list of receivers can
    show it.
    """

    __tablename__ = "notifications_secret"
    __vouched__ = ("webhook_id", "secret", "ends_at")
    __since__ = "created_at"
    __table_args__ = (
        ForeignKeyConstraint(*_OF_WEBHOOK),
        Index("ix_notifications_secret_webhook_id", "tenant_id", "webhook_id"),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    webhook_id: Mapped[UUID]
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    ends_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Progress(Base):
    """How far a receiver has come: the worker's own notes, which decide nothing.

    ``fence`` counts its turns: who held an earlier one and woke late writes nothing.
    """

    __tablename__ = "notifications_progress"
    __table_args__ = (ForeignKeyConstraint(*_OF_WEBHOOK, ondelete="CASCADE"),)

    tenant_id: Mapped[tenant_pk]
    webhook_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int]
    """The last event of the feed that was looked at for it."""
    failures: Mapped[int] = mapped_column(default=0)
    """How many attempts in a row failed."""
    failing_since: Mapped[datetime | None]
    resume_at: Mapped[datetime | None]
    leased_until: Mapped[datetime | None]
    fence: Mapped[int] = mapped_column(default=0)


class Delivery(Base):
    """One event on its way to one receiver; its id in the message is the event's."""

    __tablename__ = "notifications_delivery"
    __table_args__ = (
        ForeignKeyConstraint(*_OF_WEBHOOK, ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "webhook_id", "event_id"),
        Index(
            "ix_notifications_delivery_pending", "tenant_id", "webhook_id", "due_at",
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "ix_notifications_delivery_old", "at", postgresql_where=text("state <> 'pending'")
        ),
    )  # fmt: skip

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    webhook_id: Mapped[UUID]
    event_id: Mapped[UUID]
    type: Mapped[str]
    state: Mapped[State] = mapped_column(default=State.PENDING)
    attempts: Mapped[int] = mapped_column(default=0)
    code: Mapped[int | None]
    error: Mapped[str | None]
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    tried_at: Mapped[datetime | None]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
