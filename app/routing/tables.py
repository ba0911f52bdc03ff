from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.audit import Vouched
from app.platform.db import Base, Json, tenant_pk, uuid_pk


class SeatRole(StrEnum):
    """As what a version sits at a decision point."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"


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
