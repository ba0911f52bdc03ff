from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.activation import Signal
from app.audit import Vouched
from app.gates import WayOut
from app.platform.db import Base, tenant_pk, uuid_pk
from app.revalidation.terms import Notice


class Review(Vouched, Base):
    """One continuous KPI validation of a version in its seat. Rows are appended."""

    __tablename__ = "revalidation_review"
    __vouched__ = ("point_id", "version_id", "case_id", "verdict_id", "path", "until", "at")
    __table_args__ = (UniqueConstraint("tenant_id", "point_id", "version_id", "until"),)

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    point_id: Mapped[UUID]
    version_id: Mapped[UUID]
    case_id: Mapped[UUID]
    verdict_id: Mapped[UUID]
    path: Mapped[WayOut | None]
    until: Mapped[datetime]
    """End of the newest window it looked at."""
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class Reminder(Vouched, Base):
    """Somebody was told that a version in a seat is to be validated again. Rows are appended."""

    __tablename__ = "revalidation_reminder"
    __vouched__ = ("point_id", "version_id", "due", "notice", "days", "addressees", "at")
    __table_args__ = (
        UniqueConstraint(
            "tenant_id", "point_id", "version_id", "due", "notice", "days",
            name="uq_revalidation_reminder_once",
        ),
    )  # fmt: skip

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    point_id: Mapped[UUID]
    version_id: Mapped[UUID]
    due: Mapped[datetime]
    notice: Mapped[Notice]
    days: Mapped[int]
    """Before ``due``, or after it: the day of the policy's that it was sent for."""
    addressees: Mapped[list[str]]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Gap(Vouched, Base):
    """Telemetry that policy asks for did not arrive, from when that was seen until it was over."""

    __tablename__ = "revalidation_gap"
    __vouched__ = (
        "point_id", "version_id", "signal", "asked", "found", "opened_at", "closed_at", "closed_as",
    )  # fmt: skip
    __since__ = "opened_at"
    __table_args__ = (
        Index(
            "uq_revalidation_gap_one_open", "tenant_id", "point_id", "version_id", "signal",
            unique=True, postgresql_where=text("closed_at IS NULL"),
        ),
    )  # fmt: skip

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    point_id: Mapped[UUID]
    version_id: Mapped[UUID]
    signal: Mapped[Signal]
    asked: Mapped[float]
    """Minutes of silence at most, or a share of events at least."""
    found: Mapped[float]
    """The same as it was when the gap was seen."""
    opened_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    closed_at: Mapped[datetime | None]
    closed_as: Mapped[str | None]
    """What ended it: it arrives, policy no longer asks for it, or the seat is somebody else's."""
