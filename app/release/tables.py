from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.audit import Vouched
from app.platform.db import Base, Json, tenant_pk, uuid_pk
from app.release.operation_rules import OperationKind, OperationState


class Operation(Vouched, Base):
    """Work that was asked for: what it is about and in whose name does not change, the rest does.

    A worker has it until ``lease_until``, under the number ``fence``: what comes back under an
    older number is thrown away. ``losses`` counts the workers that did not come back.
    """

    __tablename__ = "release_operation"
    __vouched__ = ("kind", "about", "request", "principal_id", "person_id", "key_id", "case_id")
    __table_args__ = (
        Index(
            "ix_release_operation_due", "tenant_id", "due_at",
            postgresql_where=text("state IN ('queued', 'running')"),
        ),
        Index("ix_release_operation_case_id", "tenant_id", "case_id"),
        Index(
            "uq_release_operation_one_run", "tenant_id", "case_id", unique=True,
            postgresql_where=text("state IN ('queued', 'running')"),
        ),
    )  # fmt: skip

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    kind: Mapped[OperationKind]
    about: Mapped[Json]
    request: Mapped[Json]
    principal_id: Mapped[UUID]
    person_id: Mapped[UUID]
    key_id: Mapped[UUID | None]
    case_id: Mapped[UUID | None]
    parent_id: Mapped[UUID | None]
    """The operation that waits for this one."""
    state: Mapped[OperationState] = mapped_column(default=OperationState.QUEUED)
    progress: Mapped[Json] = mapped_column(default=dict)
    result: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    problem: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    fence: Mapped[int] = mapped_column(default=0)
    losses: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None]
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class PointCases(Vouched, Base):
    """The contract cases that every release for a decision point is tried with."""

    __tablename__ = "release_point_cases"
    __vouched__ = ("cases", "author_id", "revision", "at")
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "point_id"],
            ["catalog_decision_point.tenant_id", "catalog_decision_point.id"],
        ),
    )

    tenant_id: Mapped[tenant_pk]
    point_id: Mapped[UUID] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(default=1)
    cases: Mapped[list[Json]]
    author_id: Mapped[UUID]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
