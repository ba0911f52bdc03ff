from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.audit import Vouched
from app.catalog import ReturnTo
from app.gates import WayOut
from app.platform.db import Base, Json, tenant_pk, uuid_pk
from app.release.operation_rules import OperationKind, OperationState


class HandBack(Vouched, Base):
    """A version given back to its developers, with what was found. Rows are appended."""

    __tablename__ = "release_hand_back"
    __vouched__ = (
        "version_id", "point_id", "case_id", "verdict_id", "path", "returned_to", "found", "at",
    )  # fmt: skip
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "version_id"], ["catalog_version.tenant_id", "catalog_version.id"]
        ),
        Index("ix_release_hand_back_version_id", "tenant_id", "version_id", "at"),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    version_id: Mapped[UUID]
    point_id: Mapped[UUID | None]
    case_id: Mapped[UUID | None]
    verdict_id: Mapped[UUID | None]
    path: Mapped[WayOut]
    returned_to: Mapped[ReturnTo]
    found: Mapped[Json]
    """Of the verdict's evidence, what led here."""
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Task(Vouched, Base):
    """One thing to do before the model comes again, ticked off by who did it."""

    __tablename__ = "release_task"
    __vouched__ = ("title", "position", "done_by", "done_at")
    __personal__ = ("note",)
    __since__ = "at"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "hand_back_id"], ["release_hand_back.tenant_id", "release_hand_back.id"]
        ),
        CheckConstraint("(done_by IS NULL) = (done_at IS NULL)", name="done"),
    )

    tenant_id: Mapped[tenant_pk]
    hand_back_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    title: Mapped[str]
    why: Mapped[str]
    call: Mapped[str | None]
    """The call that does it, where it is one."""
    done_by: Mapped[UUID | None]
    done_at: Mapped[datetime | None]
    note: Mapped[str | None]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class ProcedureKind(StrEnum):
    """How much of a model is made anew."""

    RETUNE = "retune"
    RETRAIN = "retrain"
    REBUILD = "rebuild"


class Cause(StrEnum):
    """What a procedure answers to."""

    HAND_BACK = "hand_back"
    ALERT = "alert"
    REQUEST = "request"


class Procedure(Vouched, Base):
    """A change of a model under way: why, what it should bring, and what came of it."""

    __tablename__ = "release_procedure"
    __vouched__ = (
        "kind", "version_id", "cause", "cause_id", "expected", "opener_id", "result_id",
        "closed_at", "result", "observed", "at",
    )  # fmt: skip
    __personal__ = ("reason",)
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "version_id"], ["catalog_version.tenant_id", "catalog_version.id"]
        ),
        ForeignKeyConstraint(
            ["tenant_id", "result_id"], ["catalog_version.tenant_id", "catalog_version.id"]
        ),
        CheckConstraint("(closed_at IS NULL) = (result IS NULL)", name="closed"),
        Index("ix_release_procedure_version_id", "tenant_id", "version_id"),
        Index("ix_release_procedure_at", "tenant_id", "at", "id"),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    kind: Mapped[ProcedureKind]
    version_id: Mapped[UUID]
    cause: Mapped[Cause]
    cause_id: Mapped[UUID | None]
    reason: Mapped[str]
    expected: Mapped[Json]
    opener_id: Mapped[UUID]
    result_id: Mapped[UUID | None]
    """The version that came of it."""
    closed_at: Mapped[datetime | None]
    result: Mapped[str | None]
    observed: Mapped[Json | None]
    """The expected effect beside what was measured, as it stood at the conclusion."""
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


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
