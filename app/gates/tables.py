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

from app.gates.policy import WayOut
from app.gates.steps import CaseKind
from app.platform.db import Base, Json, tenant_pk, uuid_pk


class PolicyRevision(Base):
    """A tier's policy as it stood from one edit to the next. Rows are appended."""

    __tablename__ = "gates_policy"

    tenant_id: Mapped[tenant_pk]
    tier: Mapped[str] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[Json]
    digest: Mapped[str]
    author_id: Mapped[UUID]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class Case(Base):
    """The docket of one validation, release or activation; the policy is fixed at its opening."""

    __tablename__ = "gates_case"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "version_id"], ["catalog_version.tenant_id", "catalog_version.id"]
        ),
        Index("ix_gates_case_version_id", "tenant_id", "version_id"),
        Index(
            "uq_gates_case_one_open",
            "tenant_id",
            "kind",
            "version_id",
            "point_id",
            text("(details ->> 'role')"),
            unique=True,
            postgresql_where=text("closed_at IS NULL"),
            postgresql_nulls_not_distinct=True,
        ),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    kind: Mapped[CaseKind]
    version_id: Mapped[UUID]
    point_id: Mapped[UUID | None]
    tier: Mapped[str]
    policy_revision: Mapped[int]
    details: Mapped[Json]
    requester_id: Mapped[UUID]
    developer_id: Mapped[UUID]
    opened_at: Mapped[datetime] = mapped_column(server_default=func.now())
    closed_at: Mapped[datetime | None]
    result: Mapped[str | None]


class Evidence(Base):
    """A fact recorded for a step: submitted by somebody, or measured by the server."""

    __tablename__ = "gates_evidence"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "case_id"], ["gates_case.tenant_id", "gates_case.id"]),
        Index("ix_gates_evidence_case_id", "tenant_id", "case_id", "step"),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    case_id: Mapped[UUID]
    step: Mapped[str]
    kind: Mapped[str]
    payload: Mapped[Json]
    digest: Mapped[str]
    measured: Mapped[bool]
    author_id: Mapped[UUID]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Approval(Base):
    """A decision on exactly what ``digest`` covers; the database itself refuses one's own work."""

    __tablename__ = "gates_approval"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "case_id"], ["gates_case.tenant_id", "gates_case.id"]),
        UniqueConstraint("tenant_id", "case_id", "step", "person_id", "digest"),
        CheckConstraint("person_id <> developer_id", name="not_the_developer"),
        CheckConstraint("person_id <> requester_id", name="not_the_requester"),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    case_id: Mapped[UUID]
    step: Mapped[str]
    approved: Mapped[bool]
    reason: Mapped[str]
    principal_id: Mapped[UUID]
    person_id: Mapped[UUID]
    roles: Mapped[list[str]]
    requester_id: Mapped[UUID]
    developer_id: Mapped[UUID]
    digest: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Verdict(Base):
    """What a gate said, with all it looked at. Rows are appended, never updated."""

    __tablename__ = "gates_verdict"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "case_id"], ["gates_case.tenant_id", "gates_case.id"]),
        Index("ix_gates_verdict_case_id", "tenant_id", "case_id", "step"),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    case_id: Mapped[UUID]
    step: Mapped[str]
    passed: Mapped[bool]
    path: Mapped[WayOut | None]
    tier: Mapped[str]
    policy_revision: Mapped[int]
    policy_digest: Mapped[str]
    facts: Mapped[Json]
    facts_digest: Mapped[str]
    results: Mapped[list[Json]]
    judge_id: Mapped[UUID]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
