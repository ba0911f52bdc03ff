from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.activation.convergence import Environment, Running
from app.audit import Vouched
from app.platform.db import Base, Json, tenant_pk, uuid_pk


class OnMismatch(StrEnum):
    """What it leads to that a target runs what was not approved: a digest, or a version."""

    REPORT = "report"
    BLOCK = "block"


class IncidentKind(StrEnum):
    """What went wrong at a target."""

    DIGEST_MISMATCH = "digest_mismatch"
    UNAPPROVED_VERSION = "unapproved_version"
    """A version is served that was never approved for the decision point."""
    TARGET_FAILED = "target_failed"
    STALE_TARGET = "stale_target"


class Severity(StrEnum):
    """How soon somebody has to look."""

    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"


def _at_a_point(*columns: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["tenant_id", *columns],
        ["catalog_decision_point.tenant_id", "catalog_decision_point.id"],
    )


class Target(Vouched, Base):
    """Where a decision point's versions are deployed. What was removed stays, under its id."""

    __tablename__ = "activation_target"
    __vouched__ = (
        "point_id", "name", "environment", "endpoint", "stale_after_seconds", "required",
        "removed_at",
    )  # fmt: skip
    __since__ = "created_at"
    __table_args__ = (
        _at_a_point("point_id"),
        Index(
            "uq_activation_target_name", "tenant_id", "point_id", "name",
            unique=True, postgresql_where=text("removed_at IS NULL"),
        ),
    )  # fmt: skip

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    point_id: Mapped[UUID]
    name: Mapped[str]
    environment: Mapped[Environment]
    description: Mapped[str]
    endpoint: Mapped[str | None]
    """Asked for its health before a swap."""
    stale_after_seconds: Mapped[int]
    required: Mapped[bool]
    revision: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    removed_at: Mapped[datetime | None]


class Report(Vouched, Base):
    """What a deployer said of a version at a target. Rows are appended; the newest counts."""

    __tablename__ = "activation_report"
    __vouched__ = ("target_id", "version_id", "digest", "state", "reporter_id", "at")
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "target_id"], ["activation_target.tenant_id", "activation_target.id"]
        ),
        ForeignKeyConstraint(
            ["tenant_id", "version_id"], ["catalog_version.tenant_id", "catalog_version.id"]
        ),
        Index("ix_activation_report_newest", "tenant_id", "target_id", "version_id", "at"),
        Index("ix_activation_report_at", "tenant_id", "target_id", "at"),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    target_id: Mapped[UUID]
    version_id: Mapped[UUID]
    digest: Mapped[str]
    state: Mapped[Running]
    detail: Mapped[str]
    reporter_id: Mapped[UUID]
    """The person who answers for the deployer."""
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Terms(Vouched, Base):
    """How deployments to a decision point are held to what was approved."""

    __tablename__ = "activation_terms"
    __vouched__ = ("on_digest_mismatch", "keep_warm_minutes", "prepared_minutes")
    __table_args__ = (_at_a_point("point_id"),)

    tenant_id: Mapped[tenant_pk]
    point_id: Mapped[UUID] = mapped_column(primary_key=True)
    on_digest_mismatch: Mapped[OnMismatch]
    keep_warm_minutes: Mapped[int]
    prepared_minutes: Mapped[int]
    revision: Mapped[int] = mapped_column(default=1)
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class Incident(Vouched, Base):
    """Something at a target that somebody has to look at, from its opening to its end."""

    __tablename__ = "activation_incident"
    __vouched__ = (
        "point_id", "target_id", "version_id", "kind", "severity", "blocks", "report_id", "facts",
        "opened_at", "acknowledged_at", "acknowledged_by", "resolved_at", "resolved_by",
    )  # fmt: skip
    __personal__ = ("note", "resolution")
    __since__ = "opened_at"
    __table_args__ = (
        _at_a_point("point_id"),
        Index(
            "uq_activation_incident_one_open", "tenant_id", "target_id", "version_id", "kind",
            unique=True, postgresql_where=text("resolved_at IS NULL"),
        ),
        Index("ix_activation_incident_report_id", "tenant_id", "report_id", "kind"),
        Index("ix_activation_incident_opened_at", "tenant_id", "opened_at"),
    )  # fmt: skip

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    point_id: Mapped[UUID]
    target_id: Mapped[UUID]
    version_id: Mapped[UUID]
    kind: Mapped[IncidentKind]
    severity: Mapped[Severity]
    blocks: Mapped[bool]
    """Whether it asked routing not to answer with the version."""
    report_id: Mapped[UUID]
    """What it was opened for: a report, or the seat of what none ever came of. The same one opens
    no second."""
    facts: Mapped[Json]
    opened_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[UUID | None]
    note: Mapped[str | None]
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[UUID | None]
    """Nobody where the right report resolved it: then the server did."""
    resolution: Mapped[str | None]


class Preparation(Vouched, Base):
    """The first phase of a swap: what was asked of targets and endpoint, and what they said."""

    __tablename__ = "activation_preparation"
    __vouched__ = (
        "case_id", "digest", "health_path", "requester_id", "results", "missing", "ready",
        "finished_at", "valid_until", "at",
    )  # fmt: skip
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "case_id"], ["gates_case.tenant_id", "gates_case.id"]),
        Index("ix_activation_preparation_case_id", "tenant_id", "case_id", "at"),
        Index(
            "ix_activation_preparation_waiting", "tenant_id", "at",
            postgresql_where=text("finished_at IS NULL"),
        ),
    )  # fmt: skip

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    case_id: Mapped[UUID]
    digest: Mapped[str]
    """Of what was checked: the version's digest, the endpoint, and the targets as they stood."""
    health_path: Mapped[str | None]
    requester_id: Mapped[UUID]
    claim: Mapped[UUID | None]
    """Which worker's turn it is; one that wakes late finds another's."""
    claimed_until: Mapped[datetime | None]
    results: Mapped[list[Json] | None]
    missing: Mapped[list[str] | None]
    ready: Mapped[bool | None]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    finished_at: Mapped[datetime | None]
    valid_until: Mapped[datetime | None]


class HandOff(Vouched, Base):
    """What the production team is handed with a version. Rows are appended; the newest counts."""

    __tablename__ = "activation_hand_off"
    __vouched__ = (
        "case_id", "runbook", "service_level", "rollback_plan", "documents", "digest", "giver_id",
        "at",
    )  # fmt: skip
    __personal__ = ("contact", "on_call", "notes")
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "case_id"], ["gates_case.tenant_id", "gates_case.id"]),
        Index("ix_activation_hand_off_case_id", "tenant_id", "case_id", "at"),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    case_id: Mapped[UUID]
    runbook: Mapped[str]
    contact: Mapped[str]
    on_call: Mapped[str | None]
    service_level: Mapped[str | None]
    rollback_plan: Mapped[str | None]
    documents: Mapped[list[str]]
    notes: Mapped[str]
    digest: Mapped[str]
    giver_id: Mapped[UUID]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Acceptance(Vouched, Base):
    """The production team's word that it takes what it was handed. Rows are appended."""

    __tablename__ = "activation_acceptance"
    __vouched__ = ("case_id", "person_id", "digest", "at")
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "hand_off_id"],
            ["activation_hand_off.tenant_id", "activation_hand_off.id"],
        ),
    )

    tenant_id: Mapped[tenant_pk]
    hand_off_id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID]
    person_id: Mapped[UUID]
    digest: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
