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

from app import identity
from app.audit import Vouched
from app.gates.policy import WayOut
from app.gates.steps import CaseKind
from app.platform.db import Base, Json, tenant_pk, uuid_pk


class PolicyRevision(Vouched, Base):
    """A tier's policy as it stood from one edit to the next. Rows are appended."""

    __tablename__ = "gates_policy"
    __vouched__ = ("body", "digest", "author_id", "at")

    tenant_id: Mapped[tenant_pk]
    tier: Mapped[str] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[Json]
    digest: Mapped[str]
    author_id: Mapped[UUID]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class Case(Vouched, Base):
    """The docket of one validation, release or activation; the policy is fixed at its opening."""

    __tablename__ = "gates_case"
    __vouched__ = (
        "kind", "version_id", "point_id", "tier", "policy_revision", "details", "requester_id",
        "developer_id", "closed_at", "result", "opened_at",
    )  # fmt: skip
    __since__ = "opened_at"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "version_id"], ["catalog_version.tenant_id", "catalog_version.id"]
        ),
        Index("ix_gates_case_version_id", "tenant_id", "version_id"),
        Index("ix_gates_case_opened_at", "tenant_id", "opened_at", "id"),
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


class Evidence(Vouched, Base):
    """A fact recorded for a step: submitted by somebody, or measured by the server."""

    __tablename__ = "gates_evidence"
    __vouched__ = ("case_id", "step", "kind", "payload", "digest", "measured", "author_id", "at")
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


class Approval(Vouched, Base):
    """A decision on exactly what ``digest`` covers; the database itself refuses one's own work."""

    __tablename__ = "gates_approval"
    __vouched__ = (
        "case_id", "step", "approved", "principal_id", "person_id", "roles", "requester_id",
        "developer_id", "digest", "covers", "lent", "round", "at",
    )  # fmt: skip
    __personal__ = ("reason",)
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "case_id"], ["gates_case.tenant_id", "gates_case.id"]),
        UniqueConstraint(
            "tenant_id",
            "case_id",
            "step",
            "person_id",
            "digest",
            "round",
            name="uq_gates_approval_tenant_id_case_id_step_person_id_digest_round",
        ),
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
    covers: Mapped[Json | None]
    """The parts of what was decided, each as a digest."""
    lent: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    """Which of the roles were lent, by their owner."""
    round: Mapped[int] = mapped_column(server_default=text("1"))
    """The same person decides on the same thing again only after taking his word back."""
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Withdrawal(Vouched, Base):
    """An approval taken back by who gave it. Rows are appended."""

    __tablename__ = "gates_withdrawal"
    __vouched__ = ("case_id", "step", "person_id", "at")
    __personal__ = ("reason",)

    tenant_id: Mapped[tenant_pk]
    approval_id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID]
    step: Mapped[str]
    reason: Mapped[str]
    person_id: Mapped[UUID]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Request(Vouched, Base):
    """Somebody asks for approvals of a step as it stands, until a date."""

    __tablename__ = "gates_request"
    __vouched__ = (
        "case_id",
        "step",
        "digest",
        "covers",
        "requester_id",
        "expires_at",
        "withdrawn_at",
        "at",
    )
    __personal__ = ("note",)
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "case_id"], ["gates_case.tenant_id", "gates_case.id"]),
        Index("ix_gates_request_case_id", "tenant_id", "case_id", "step"),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    case_id: Mapped[UUID]
    step: Mapped[str]
    note: Mapped[str]
    digest: Mapped[str]
    covers: Mapped[Json]
    requester_id: Mapped[UUID]
    expires_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Verdict(Vouched, Base):
    """What a gate said, with all it looked at. Rows are appended, never updated."""

    __tablename__ = "gates_verdict"
    __vouched__ = (
        "case_id", "step", "passed", "path", "tier", "policy_revision", "policy_digest", "facts",
        "facts_digest", "results", "judge_id", "at",
    )  # fmt: skip
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "case_id"], ["gates_case.tenant_id", "gates_case.id"]),
        Index("ix_gates_verdict_case_id", "tenant_id", "case_id", "step"),
        Index("ix_gates_verdict_tier", "tenant_id", "tier", "at", "id"),
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


class Change(Vouched, Base):
    """A requested edit of something governed, with what it was and what it would be."""

    __tablename__ = "gates_change"
    __vouched__ = (
        "kind", "target", "expected", "before", "after", "digest", "requester_id", "principal_id",
        "developer_id", "scope", "approvals", "roles", "expires_at", "closed_at", "result", "at",
    )  # fmt: skip
    __personal__ = ("reason",)
    __table_args__ = (Index("ix_gates_change_at", "tenant_id", "at"),)

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    kind: Mapped[identity.Governed]
    target: Mapped[str]
    expected: Mapped[int | None]
    """The revision it was asked against; another one by then makes it void."""
    before: Mapped[Json | None]
    after: Mapped[Json]
    reason: Mapped[str]
    digest: Mapped[str]
    requester_id: Mapped[UUID]
    """The person who asked."""
    principal_id: Mapped[UUID]
    developer_id: Mapped[UUID | None]
    scope: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    """The tier, model and point it is about, as decision rights are limited."""
    approvals: Mapped[int]
    roles: Mapped[list[str]]
    expires_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    result: Mapped[str | None]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class ChangeDecision(Vouched, Base):
    """One person's word on a change; the database itself refuses one's own."""

    __tablename__ = "gates_change_decision"
    __vouched__ = (
        "change_id", "approved", "person_id", "principal_id", "requester_id", "developer_id",
        "roles", "lent", "digest", "at",
    )  # fmt: skip
    __personal__ = ("reason",)
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "change_id"], ["gates_change.tenant_id", "gates_change.id"]
        ),
        UniqueConstraint("tenant_id", "change_id", "person_id"),
        CheckConstraint("person_id <> requester_id", name="not_the_requester"),
        CheckConstraint("person_id IS DISTINCT FROM developer_id", name="not_the_developer"),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    change_id: Mapped[UUID]
    approved: Mapped[bool]
    reason: Mapped[str]
    person_id: Mapped[UUID]
    principal_id: Mapped[UUID]
    requester_id: Mapped[UUID]
    developer_id: Mapped[UUID | None]
    roles: Mapped[list[str]]
    lent: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    """Which of the roles were lent, by their owner."""
    digest: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Waiver(Vouched, Base):
    """A rule that need not hold for a version for a while: approved, or in an emergency taken."""

    __tablename__ = "gates_waiver"
    __vouched__ = (
        "version_id", "point_id", "gate", "rule", "tier", "terms", "until", "ended_at", "change_id",
        "developer_id", "taken_by", "reviewer_id", "upheld", "reviewed_at", "at",
    )  # fmt: skip
    __personal__ = ("reason", "review")
    __table_args__ = (
        Index("ix_gates_waiver_version_id", "tenant_id", "version_id"),
        CheckConstraint("taken_by IS DISTINCT FROM developer_id", name="not_by_the_developer"),
        CheckConstraint(
            "taken_by IS DISTINCT FROM reviewer_id OR taken_by IS NULL", name="reviewed_by_another"
        ),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    version_id: Mapped[UUID]
    point_id: Mapped[UUID | None]
    gate: Mapped[str]
    rule: Mapped[str]
    """``*`` for every rule of the gate: only by breaking the glass."""
    tier: Mapped[str | None]
    terms: Mapped[str | None]
    """Digest of what the rule asked; at another tier, or once it is rewritten, it is not waived."""
    reason: Mapped[str]
    until: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    change_id: Mapped[UUID | None]
    developer_id: Mapped[UUID]
    taken_by: Mapped[UUID | None]
    """Who broke the glass; then nobody approved it beforehand, and somebody else must review."""
    reviewer_id: Mapped[UUID | None]
    review: Mapped[str | None]
    upheld: Mapped[bool | None]
    reviewed_at: Mapped[datetime | None]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
