from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.audit import Vouched
from app.drift.alert_rules import AlertKind
from app.platform.db import Base, Json, tenant_pk, uuid_pk
from app.telemetry import SCORE


class Monitor(Vouched, Base):
    """How a decision point's traffic is watched."""

    __tablename__ = "drift_monitor"
    __vouched__ = ("settings", "at")

    tenant_id: Mapped[tenant_pk]
    point_id: Mapped[UUID] = mapped_column(primary_key=True)
    settings: Mapped[Json]
    revision: Mapped[int] = mapped_column(default=1)
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class Watch(Base):
    """How far a version at a point has been examined; its lock keeps two workers apart."""

    __tablename__ = "drift_watch"

    tenant_id: Mapped[tenant_pk]
    point_id: Mapped[UUID] = mapped_column(primary_key=True)
    version_id: Mapped[UUID] = mapped_column(primary_key=True)
    next_until: Mapped[datetime]


class Window(Base):
    """One examined window, with all that was computed from it."""

    __tablename__ = "drift_window"
    __table_args__ = (
        UniqueConstraint("tenant_id", "point_id", "version_id", "until"),
        Index(
            "ix_drift_window_matures_at", "tenant_id", "point_id", "version_id", "until",
            postgresql_where=text("matures_at IS NOT NULL"),
        ),
    )  # fmt: skip

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    point_id: Mapped[UUID]
    version_id: Mapped[UUID]
    since: Mapped[datetime]
    until: Mapped[datetime]
    n: Mapped[int]
    variables: Mapped[list[Json]]
    alerting: Mapped[list[str]]
    labelled: Mapped[int]
    accuracy: Mapped[float | None]
    metrics: Mapped[list[Json]] = mapped_column(server_default=text("'[]'"))
    """Each promised metric as the outcomes have it, and whether it is beyond."""
    degraded: Mapped[bool | None]
    estimated: Mapped[list[Json]] = mapped_column(server_default=text("'[]'"))
    """The same metrics as scores alone let them be expected: no label has confirmed them."""
    concept: Mapped[list[Json]] = mapped_column(server_default=text("'[]'"))
    """Of loss and calibration the newest change of regime that was known by its end."""
    segments: Mapped[list[Json]] = mapped_column(server_default=text("'[]'"))
    """Each segment beside its own time before, if the monitor says so."""
    fairness: Mapped[list[Json]] = mapped_column(server_default=text("'[]'"))
    """How far from the rest the segment is that is farthest, by feature and rate."""
    kpis: Mapped[list[Json]] = mapped_column(server_default=text("'[]'"))
    """Each agreed KPI as it came to, beside what was agreed, and whether it is missed."""
    matures_at: Mapped[datetime | None]
    """Before then what takes labels is not judged; nothing, where it is."""
    basis: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    """What it was judged by: the monitor's settings, digests of baseline and profiles."""
    examined_at: Mapped[datetime] = mapped_column(server_default=func.now())

    @property
    def compared_with(self) -> str | None:
        """What drift is held against: the reference, the season, or nothing where that is none."""
        monitor = (self.basis or {}).get("monitor", {})
        if monitor.get("drift_against") != "season":
            return "reference"
        return "season" if any(item.get("seasonal") for item in self.variables) else None

    @property
    def share(self) -> float | None:
        """Share of the inputs that drift; nothing where none was compared, or has no season yet."""
        known = self.variables if self.compared_with is not None else []
        inputs = [item for item in known if item["name"] != SCORE]
        return sum(item["drifts"] for item in inputs) / len(inputs) if inputs else None


class Alert(Vouched, Base):
    """The first window in which something had left its bounds for good."""

    __tablename__ = "drift_alert"
    __vouched__ = ("point_id", "version_id", "kind", "subject", "until", "raised_at")
    __since__ = "raised_at"
    __table_args__ = (
        UniqueConstraint("tenant_id", "point_id", "version_id", "kind", "subject"),
        Index("ix_drift_alert_raised_at", "tenant_id", "raised_at"),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    point_id: Mapped[UUID]
    version_id: Mapped[UUID]
    kind: Mapped[AlertKind]
    subject: Mapped[str]
    until: Mapped[datetime]
    raised_at: Mapped[datetime] = mapped_column(server_default=func.now())
