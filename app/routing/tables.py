from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.audit import Vouched
from app.platform.db import Base, Json, tenant_pk, uuid_pk


class SeatRole(StrEnum):
    """As what a version sits at a decision point."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"


class FallbackKind(StrEnum):
    """What answers while a decision point is stopped."""

    PREVIOUS_CHAMPION = "previous_champion"
    VERSION = "version"
    CONSTANT = "constant"


class Generation(Base):
    """A tenant's counter of routing changes; its row lock puts them in order."""

    __tablename__ = "routing_generation"

    tenant_id: Mapped[tenant_pk]
    generation: Mapped[int]


class PointState(Base):
    """The generation of a decision point's last change: what a refresh must load again."""

    __tablename__ = "routing_point"
    __table_args__ = (Index("ix_routing_point_generation", "tenant_id", "generation"),)

    tenant_id: Mapped[tenant_pk]
    point_id: Mapped[UUID] = mapped_column(primary_key=True)
    generation: Mapped[int]


class Seat(Vouched, Base):
    """A version's place at a decision point, from ``since`` up to, and not at, ``until``.

    The partial unique index is the wall: two open champion seats at a point cannot exist.
    """

    __tablename__ = "routing_seat"
    __vouched__ = (
        "point_id", "version_id", "role", "endpoint", "parameters", "case_id", "cause", "since",
        "until",
    )  # fmt: skip
    __since__ = "since"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "point_id"],
            ["catalog_decision_point.tenant_id", "catalog_decision_point.id"],
        ),
        ForeignKeyConstraint(
            ["tenant_id", "version_id"], ["catalog_version.tenant_id", "catalog_version.id"]
        ),
        Index(
            "uq_routing_seat_one_champion",
            "tenant_id",
            "point_id",
            unique=True,
            postgresql_where=text("role = 'champion' AND until IS NULL"),
        ),
        Index(
            "uq_routing_seat_one_each",
            "tenant_id",
            "point_id",
            "version_id",
            unique=True,
            postgresql_where=text("until IS NULL"),
        ),
        Index("ix_routing_seat_history", "tenant_id", "point_id", "since"),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    point_id: Mapped[UUID]
    version_id: Mapped[UUID]
    role: Mapped[SeatRole]
    endpoint: Mapped[str | None]
    parameters: Mapped[Json]
    case_id: Mapped[UUID]
    """The activation that gave the seat: who approved it is found there."""
    cause: Mapped[str]
    since: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    until: Mapped[datetime | None]


class PlanRevision(Vouched, Base):
    """A decision point's plan from one change to the next. Rows are appended."""

    __tablename__ = "routing_plan"
    __vouched__ = ("spec", "digest", "author_id", "cause", "at")
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "point_id"],
            ["catalog_decision_point.tenant_id", "catalog_decision_point.id"],
        ),
    )

    tenant_id: Mapped[tenant_pk]
    point_id: Mapped[UUID] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    spec: Mapped[Json]
    digest: Mapped[str]
    author_id: Mapped[UUID]
    author_name: Mapped[str] = mapped_column(server_default="")
    """No longer written: who has left can be forgotten. Gone with the next release."""
    cause: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class Weights(Vouched, Base):
    """One round of a bandit's learning, with the evidence it came from. Rows are appended."""

    __tablename__ = "routing_weights"
    __vouched__ = ("weights", "learnt", "at")

    tenant_id: Mapped[tenant_pk]
    point_id: Mapped[UUID] = mapped_column(primary_key=True)
    plan_revision: Mapped[int] = mapped_column(primary_key=True)
    round: Mapped[int] = mapped_column(primary_key=True)
    weights: Mapped[Json]
    learnt: Mapped[Json]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class Experiment(Vouched, Base):
    """A segment's experiment, from the plan that began it to the one that ended it.

    Its ``report`` is what it had come to when the last of its rewards could have come back.
    """

    __tablename__ = "routing_experiment"
    __vouched__ = (
        "point_id", "segment", "strategy", "since", "first_revision", "until", "last_revision",
        "report",
    )  # fmt: skip
    __since__ = "since"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "point_id"],
            ["catalog_decision_point.tenant_id", "catalog_decision_point.id"],
        ),
        Index(
            "uq_routing_experiment_one_running", "tenant_id", "point_id", "segment",
            unique=True, postgresql_where=text("until IS NULL"),
        ),
        Index("ix_routing_experiment_since", "tenant_id", "since", "id"),
        Index("ix_routing_experiment_point", "tenant_id", "point_id", "since", "id"),
        Index(
            "ix_routing_experiment_unreported", "until",
            postgresql_where=text("until IS NOT NULL AND report IS NULL"),
        ),
    )  # fmt: skip

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    point_id: Mapped[UUID]
    segment: Mapped[str]
    strategy: Mapped[str]
    since: Mapped[datetime]
    first_revision: Mapped[int]
    until: Mapped[datetime | None]
    last_revision: Mapped[int | None]
    """That of the last plan that went on with it."""
    report: Mapped[Json | None]


class Fallback(Vouched, Base):
    """What answers while a point is stopped, from one change to the next. Rows are appended."""

    __tablename__ = "routing_fallback"
    __vouched__ = ("kind", "version_id", "endpoint", "parameters", "constant", "author_id", "at")
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "point_id"],
            ["catalog_decision_point.tenant_id", "catalog_decision_point.id"],
        ),
        ForeignKeyConstraint(
            ["tenant_id", "version_id"], ["catalog_version.tenant_id", "catalog_version.id"]
        ),
        CheckConstraint("(kind = 'version') = (version_id IS NOT NULL)", name="version"),
    )

    tenant_id: Mapped[tenant_pk]
    point_id: Mapped[UUID] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[FallbackKind]
    version_id: Mapped[UUID | None]
    endpoint: Mapped[str | None]
    parameters: Mapped[Json]
    constant: Mapped[Json]
    """The value itself under ``value``; empty of what is no constant."""
    author_id: Mapped[UUID]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Stop(Vouched, Base):
    """A decision point, or one version at it, answered by the fallback: ``[since, until)``.

    One cause stops the same thing once at a time; what several causes stop stays stopped until the
    last of them is lifted.
    """

    __tablename__ = "routing_stop"
    __vouched__ = (
        "point_id", "version_id", "cause", "stopped_by", "generation", "since", "until",
        "resumed_by", "resumed_generation",
    )  # fmt: skip
    __personal__ = ("reason", "resumed_reason")
    __since__ = "since"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "point_id"],
            ["catalog_decision_point.tenant_id", "catalog_decision_point.id"],
        ),
        ForeignKeyConstraint(
            ["tenant_id", "version_id"], ["catalog_version.tenant_id", "catalog_version.id"]
        ),
        Index(
            "uq_routing_stop_one_a_cause",
            "tenant_id",
            "point_id",
            "version_id",
            "cause",
            unique=True,
            postgresql_where=text("until IS NULL"),
            postgresql_nulls_not_distinct=True,
        ),
        Index("ix_routing_stop_history", "tenant_id", "point_id", "since"),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    point_id: Mapped[UUID]
    version_id: Mapped[UUID | None]
    cause: Mapped[str]
    reason: Mapped[str]
    stopped_by: Mapped[UUID]
    generation: Mapped[int]
    """That of the change itself: decisions from it on, up to ``resumed_generation``, fell under it.
    """
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    resumed_by: Mapped[UUID | None]
    resumed_reason: Mapped[str | None]
    resumed_generation: Mapped[int | None]
