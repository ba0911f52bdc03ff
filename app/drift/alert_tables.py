from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.audit import Vouched
from app.drift.alert_rules import AlertKind, Ending, Severity, State
from app.platform.db import Base, Json, tenant_pk, uuid_pk


class Episode(Vouched, Base):
    """One time that an alert fired, from the window that made it last to its end."""

    __tablename__ = "drift_episode"
    __vouched__ = (
        "alert_id", "number", "severity", "state", "since", "at", "acknowledged_at",
        "acknowledged_by", "resolved_at", "resolved_by", "ending",
    )  # fmt: skip
    __personal__ = ("comment", "reason")
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "alert_id"], ["drift_alert.tenant_id", "drift_alert.id"]
        ),
        UniqueConstraint("tenant_id", "alert_id", "number"),
        CheckConstraint("(state = 'resolved') = (resolved_at IS NOT NULL)", name="over"),
        CheckConstraint("(ending IS NULL) = (resolved_at IS NULL)", name="ending"),
        Index(
            "uq_drift_episode_one_standing", "tenant_id", "alert_id",
            unique=True, postgresql_where=text("resolved_at IS NULL"),
        ),
        Index("ix_drift_episode_at", "tenant_id", "at", "id"),
        Index("ix_drift_episode_resolved_at", "resolved_at"),
    )  # fmt: skip

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    alert_id: Mapped[UUID]
    number: Mapped[int]
    severity: Mapped[Severity]
    state: Mapped[State]
    since: Mapped[datetime]
    """End of the window that made it last."""
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[UUID | None]
    comment: Mapped[str | None]
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[UUID | None]
    """Nobody where windows, or the version's leaving, resolved it."""
    ending: Mapped[Ending | None]
    reason: Mapped[str | None]
    told_at: Mapped[datetime | None]
    """When its event was sent; not yet while it is silenced."""
    through: Mapped[datetime | None]
    """End of the newest window that said anything of it when somebody resolved it, or it left."""
    fired_at: Mapped[datetime | None]
    """When it last began to fire, or to fire worse; nothing, of the release before."""
    worst: Mapped[Severity | None]
    """The worst it has been; nothing, of the release before."""
    told_severity: Mapped[Severity | None]
    told_state: Mapped[State | None]
    """What was last told of it; nothing, of the release before."""

    @property
    def peak(self) -> Severity:
        """The worst it has been, whichever release wrote it."""
        return max(self.severity, self.worst or self.severity, key=lambda one: one.rank)


class Hearing(Vouched, Base):
    """Whom a point's monitor names to hear of its alerts, beside who hears of them anyway."""

    __tablename__ = "drift_hearing"
    __vouched__ = ("hearers", "at")
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "point_id"],
            ["catalog_decision_point.tenant_id", "catalog_decision_point.id"],
        ),
    )

    tenant_id: Mapped[tenant_pk]
    point_id: Mapped[UUID] = mapped_column(primary_key=True)
    hearers: Mapped[list[Json]]
    """Each a person's id, from which severity on, and of which kinds; null: of all."""
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Silence(Vouched, Base):
    """What is not told for a while, and by whose word; what is null matches anything."""

    __tablename__ = "drift_silence"
    __vouched__ = (
        "point_id", "model_id", "version_id", "kind", "subject", "silenced_by", "at", "until",
        "ended_at", "ended_by",
    )  # fmt: skip
    __personal__ = ("reason",)
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "point_id"],
            ["catalog_decision_point.tenant_id", "catalog_decision_point.id"],
        ),
        CheckConstraint("until > at", name="lasts"),
        Index("ix_drift_silence_at", "tenant_id", "at", "id"),
        Index("ix_drift_silence_until", "tenant_id", "until"),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    point_id: Mapped[UUID | None]
    model_id: Mapped[UUID | None]
    version_id: Mapped[UUID | None]
    kind: Mapped[AlertKind | None]
    subject: Mapped[str | None]
    reason: Mapped[str]
    silenced_by: Mapped[UUID]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    until: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[UUID | None]
