from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.audit import Vouched
from app.platform.db import Base, Json, tenant_pk, uuid_pk


class Action(StrEnum):
    """What a breached guardrail leads to."""

    ROLLBACK = "rollback"
    STOP = "stop"
    ALERT = "alert"
    HOLD = "hold"
    """Of whom a ramp brings in: it goes no further until somebody resumes it."""
    VALIDATE = "validate"
    """A validation of the version is opened, in which a validator may send it back."""


class Taken(StrEnum):
    """What a breach did lead to."""

    ROLLED_BACK = "rolled_back"
    STOPPED = "stopped"
    ALERTED = "alerted"
    """As it was to be, or because there was nothing to go back to and nothing to stand in."""
    HELD = "held"
    VALIDATION_OPENED = "validation_opened"
    FAILED = "failed"
    """Its condition could not be answered: nothing was done, for an error says nothing."""


class Guardrail(Vouched, Base):
    """A condition under which a decision point's champion does not stay."""

    __tablename__ = "activation_guardrail"
    __vouched__ = (
        "point_id", "name", "when", "within_minutes", "min_events", "action", "revision", "at",
    )  # fmt: skip
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "point_id"],
            ["catalog_decision_point.tenant_id", "catalog_decision_point.id"],
        ),
        UniqueConstraint("tenant_id", "point_id", "name"),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    point_id: Mapped[UUID]
    name: Mapped[str]
    when: Mapped[str]
    within_minutes: Mapped[int | None]
    min_events: Mapped[int]
    action: Mapped[Action]
    revision: Mapped[int] = mapped_column(server_default=text("1"))
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Breach(Vouched, Base):
    """A guardrail that did not hold or had no answer, by seat, edit and occasion."""

    __tablename__ = "activation_breach"
    __vouched__ = (
        "point_id", "seat_id", "version_id", "guardrail", "revision", "when", "facts", "action",
        "taken", "why", "restored_id", "stop_id", "failed", "at",
    )  # fmt: skip
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "seat_id"], ["routing_seat.tenant_id", "routing_seat.id"]
        ),
        UniqueConstraint(
            "tenant_id",
            "seat_id",
            "guardrail",
            "revision",
            "failed",
            "occasion",
            name="uq_activation_breach_once",
        ),
        Index("ix_activation_breach_at", "tenant_id", "point_id", "at"),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    point_id: Mapped[UUID]
    seat_id: Mapped[UUID]
    version_id: Mapped[UUID]
    guardrail: Mapped[str]
    revision: Mapped[int]
    when: Mapped[str]
    facts: Mapped[Json]
    action: Mapped[Action]
    taken: Mapped[Taken]
    why: Mapped[str | None]
    """Why it was not what it was to be, or what was wrong with the condition."""
    restored_id: Mapped[UUID | None]
    """The version that answers again."""
    stop_id: Mapped[UUID | None]
    failed: Mapped[bool]
    occasion: Mapped[int] = mapped_column(server_default=text("1"))
    """Counted from 1, by seat and edit: anew once what it held or stopped goes on, or of alerts."""
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Look(Base):
    """When a champion was last looked at."""

    __tablename__ = "activation_look"

    tenant_id: Mapped[tenant_pk]
    seat_id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
