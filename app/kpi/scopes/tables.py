from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.audit import Vouched
from app.kpi.rules import Aggregate, Direction
from app.kpi.scopes.rules import ScopeFormula, ScopeKind, Standing
from app.platform.db import Base, Json, tenant_pk, uuid_pk


class Scope(Vouched, Base):
    """Decision points that KPIs are agreed for together: a process, or a portfolio of them."""

    __tablename__ = "kpi_scope"
    __vouched__ = ("key", "kind", "name")
    __since__ = "created_at"
    __table_args__ = (UniqueConstraint("tenant_id", "key"),)

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    key: Mapped[str]
    kind: Mapped[ScopeKind]
    name: Mapped[str]
    revision: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ScopePoint(Vouched, Base):
    """A decision point that a scope itself names."""

    __tablename__ = "kpi_scope_point"
    __vouched__ = ("at",)
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "scope_id"], ["kpi_scope.tenant_id", "kpi_scope.id"]),
        ForeignKeyConstraint(
            ["tenant_id", "point_id"],
            ["catalog_decision_point.tenant_id", "catalog_decision_point.id"],
        ),
        Index("ix_kpi_scope_point_point_id", "tenant_id", "point_id"),
    )

    tenant_id: Mapped[tenant_pk]
    scope_id: Mapped[UUID] = mapped_column(primary_key=True)
    point_id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class ScopeProcess(Vouched, Base):
    """A process that a portfolio names; it is not deleted meanwhile."""

    __tablename__ = "kpi_scope_process"
    __vouched__ = ("at",)
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "scope_id"], ["kpi_scope.tenant_id", "kpi_scope.id"]),
        ForeignKeyConstraint(["tenant_id", "process_id"], ["kpi_scope.tenant_id", "kpi_scope.id"]),
        Index("ix_kpi_scope_process_process_id", "tenant_id", "process_id"),
    )

    tenant_id: Mapped[tenant_pk]
    scope_id: Mapped[UUID] = mapped_column(primary_key=True)
    process_id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class ScopeKpi(Vouched, Base):
    """A business KPI as it was agreed for a scope."""

    __tablename__ = "kpi_scope_kpi"
    __vouched__ = (
        "scope_id", "key", "name", "formula", "direction", "threshold", "tolerance", "unit",
        "currency", "target", "prices", "aggregate", "expression", "window_days",
        "wait_days",
    )  # fmt: skip
    __since__ = "created_at"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "scope_id"], ["kpi_scope.tenant_id", "kpi_scope.id"]),
        UniqueConstraint("tenant_id", "scope_id", "key"),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    scope_id: Mapped[UUID]
    key: Mapped[str]
    name: Mapped[str]
    formula: Mapped[ScopeFormula]
    direction: Mapped[Direction]
    threshold: Mapped[float]
    tolerance: Mapped[float]
    unit: Mapped[str]
    currency: Mapped[str | None]
    target: Mapped[float | None]
    prices: Mapped[Json | None]
    aggregate: Mapped[Aggregate]
    expression: Mapped[str | None]
    window_days: Mapped[int]
    wait_days: Mapped[int]
    revision: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ScopeValue(Base):
    """A scope's KPI's value as a business system reported it. Rows are appended, never updated.

    Of the revisions of one value the highest stands.
    """

    __tablename__ = "kpi_scope_value"

    tenant_id: Mapped[tenant_pk]
    scope_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    segment: Mapped[str] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True, server_default=text("0"))
    life: Mapped[int] = mapped_column(primary_key=True, server_default=text("0"))
    """Of which KPI that had the key: the last revision of the one before it, or 0."""
    value: Mapped[float | None]
    """Nothing where what was said is taken back."""
    person_id: Mapped[UUID]
    """Who reported it."""
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ScopeStanding(Base):
    """How a KPI of a scope stood from a moment on. Rows are appended, never updated."""

    __tablename__ = "kpi_scope_standing"
    __table_args__ = (
        Index("ix_kpi_scope_standing_scope_id", "tenant_id", "scope_id", "key", "id"),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    scope_id: Mapped[UUID]
    kpi_id: Mapped[UUID]
    key: Mapped[str]
    kpi_revision: Mapped[int]
    scope_revision: Mapped[int | None]
    points: Mapped[list[str] | None] = mapped_column(JSONB)
    """What the scope was of; not known of those from before that was kept."""
    standing: Mapped[Standing]
    value: Mapped[float | None]
    low: Mapped[float | None]
    high: Mapped[float | None]
    outcomes: Mapped[int]
    lacking: Mapped[str | None]
    """What keeps something from being said."""
    since: Mapped[datetime]
    """When the days begin that were looked at."""
    until: Mapped[datetime]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class ScopeLook(Base):
    """What a worker measured of a KPI of a scope last, and what it held it against."""

    __tablename__ = "kpi_scope_look"

    tenant_id: Mapped[tenant_pk]
    kpi_id: Mapped[UUID] = mapped_column(primary_key=True)
    standing: Mapped[Standing]
    value: Mapped[float | None]
    known: Mapped[Standing | None]
    """How it stood when that was last known."""
    measured_at: Mapped[datetime | None]
    """When it had a value last."""
    silent: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether somebody was told that it is not measured, since it was last known how it stands."""
    threshold: Mapped[float | None]
    target: Mapped[float | None]
