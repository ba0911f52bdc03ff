from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.audit import Vouched
from app.platform.db import Base, Json, tenant_pk, uuid_pk
from app.telemetry.reconstruction import Reconstruction
from app.telemetry.segments import MOST_VALUES

RECONSTRUCTION = "reconstruction"


class ProfileKind(StrEnum):
    """What a profile counts."""

    INPUTS = "inputs"
    OUTCOMES = "outcomes"


class TokenKey(Base):
    """A tenant's signing keys; the newest signs, all verify."""

    __tablename__ = "telemetry_token_key"

    tenant_id: Mapped[tenant_pk]
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Baseline(Vouched, Base):
    """What a version's variables looked like when it was built; frozen."""

    __tablename__ = "telemetry_baseline"
    __vouched__ = ("layout", "profile", "rows", "reference", "digest", "author_id")
    __since__ = "created_at"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "version_id"], ["catalog_version.tenant_id", "catalog_version.id"]
        ),
    )

    tenant_id: Mapped[tenant_pk]
    version_id: Mapped[UUID] = mapped_column(primary_key=True)
    layout: Mapped[Json]
    profile: Mapped[bytes] = mapped_column(LargeBinary)
    rows: Mapped[int]
    reference: Mapped[Json | None]
    digest: Mapped[str]
    author_id: Mapped[UUID | None]
    """The person who chose the rows; nobody, of baselines that are older than the question."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    @property
    def accuracy(self) -> dict[str, float] | None:
        """The accuracy that was promised, how it wanders by itself, and of how many rows."""
        if self.reference is None or "accuracy" not in self.reference:
            return None
        return {name: self.reference[name] for name in ("accuracy", "sigma", "rows")}

    @property
    def curve(self) -> list[list[float]]:
        """By score bin: rows, positives, Σ score, Σ|error|, Σ error². None without labels."""
        found: list[list[float]] = (self.reference or {}).get("curve", [])
        return found

    @property
    def reconstruction(self) -> Reconstruction | None:
        """How its variables go together; nothing of older baselines, or if nothing was learnt."""
        found = (self.reference or {}).get(RECONSTRUCTION)
        return None if found is None else Reconstruction.load(found)

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """Every metric that was promised: value, standard_error, rows, sigma."""
        known = self.accuracy
        if self.reference is None or known is None or "metrics" in self.reference:
            found: dict[str, dict[str, float]] = (self.reference or {}).get("metrics", {})
            return found
        # Of a release that promised nothing else.
        value, rows = known["accuracy"], known["rows"]
        error = (value * (1 - value) / rows) ** 0.5
        sigma = known["sigma"]
        return {"accuracy": {"value": value, "standard_error": error, "rows": rows, "sigma": sigma}}


class _Counted:
    events: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    first_hour: Mapped[datetime | None]
    through: Mapped[datetime | None]
    """The latest event hour folded so far: the watermark that windows wait for."""


class Series(_Counted, Base):
    """One version's traffic under one arm of a decision point; its lock serialises folding."""

    __tablename__ = "telemetry_series"
    __table_args__ = (UniqueConstraint("tenant_id", "point_id", "version_id", "arm"),)

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    point_id: Mapped[UUID]
    version_id: Mapped[UUID]
    arm: Mapped[str]
    touched_hour: Mapped[int | None]
    """The earliest hour, since 1970, of what came since its windows were last looked at."""
    retold_hour: Mapped[int | None]
    """The earliest of which something else was said than its profiles hold."""


class Segment(_Counted, Base):
    """The part of a series' traffic in which a feature has one value, or one of the rest.

    Its profiles stand beside those of series, under its own id. ``place`` is 0 of the rest, and
    bounds how many others there are. No foreign key leads to the series: whoever adds a row would
    wait for the worker that holds that one, and ingest waits for no worker.
    """

    __tablename__ = "telemetry_segment"
    __table_args__ = (
        UniqueConstraint("tenant_id", "series_id", "variable", "value"),
        UniqueConstraint("tenant_id", "series_id", "variable", "place"),
        CheckConstraint(f"place BETWEEN 0 AND {MOST_VALUES}", name="bounded"),
    )

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    series_id: Mapped[UUID]
    variable: Mapped[str]
    value: Mapped[str]
    place: Mapped[int] = mapped_column(SmallInteger)


class Rehearser(Base):
    """Who sent events or outcomes of the guarded perimeter, of one version's one release."""

    __tablename__ = "telemetry_rehearser"

    tenant_id: Mapped[tenant_pk]
    point_id: Mapped[UUID] = mapped_column(primary_key=True)
    version_id: Mapped[UUID] = mapped_column(primary_key=True)
    arm: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class _Receipt:
    tenant_id: Mapped[tenant_pk]
    decision_id: Mapped[UUID] = mapped_column(primary_key=True)
    series_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID | None]
    at: Mapped[datetime]
    score: Mapped[float | None]
    prediction: Mapped[float | None]
    labelled: Mapped[bool] = mapped_column(server_default=text("false"))
    outcome_revision: Mapped[int] = mapped_column(server_default=text("0"))
    """Of the outcome that its profile was given, once it is labelled."""
    segment_ids: Mapped[list[UUID] | None] = mapped_column(ARRAY(Uuid))
    """The parts of its series that it counts in besides."""


class StoredReceipt(_Receipt, Base):
    """A scored event, once: a token is good for one event of its series.

    ``event_id`` is the sender's own name for the event, if he gave one: sent again under another
    token it is a duplicate too. It is written by COPY as raw events are, so that a tenant's own are
    read through ``Receipt`` alone; the workers, who serve all tenants, use it itself.
    """

    __tablename__ = "telemetry_receipt_stored"
    __table_args__ = (
        Index(
            "uq_telemetry_receipt_stored_event_id", "tenant_id", "event_id",
            unique=True, postgresql_where=text("event_id IS NOT NULL"),
        ),
    )  # fmt: skip


class Receipt(_Receipt, Base):
    """The tenant's own receipts, to the server those of all: a view, through which they change."""

    __tablename__ = "telemetry_receipt"
    __table_args__ = {"info": {"view": True}}  # noqa: RUF012 - as SQLAlchemy asks for it


class _Event:
    __mapper_args__ = {"primary_key": ["tenant_id", "decision_id", "series_id"]}  # noqa: RUF012

    tenant_id: Mapped[UUID]
    decision_id: Mapped[UUID]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    series_id: Mapped[UUID]
    at: Mapped[datetime]
    latency_ms: Mapped[float | None]
    plan_revision: Mapped[int]
    generation: Mapped[int]
    propensity: Mapped[float]
    unit: Mapped[bytes] = mapped_column(LargeBinary)
    decided_at: Mapped[datetime]
    features: Mapped[Json]


class StoredEvent(_Event, Base):
    """A scored event as it was sent, with what its token said; partitioned by day of receipt.

    Its receipt keeps it single; one index is all that so hot a table carries. It is written by
    COPY, which row-level security does not allow: so it can be written and not be read.
    """

    __tablename__ = "telemetry_event"
    __table_args__ = (
        Index("ix_telemetry_event_decision_id", "tenant_id", "decision_id"),
        {"postgresql_partition_by": "RANGE (received_at)"},
    )


class RawEvent(_Event, Base):
    """The tenant's own scored events: a view."""

    __tablename__ = "telemetry_event_own"
    __table_args__ = {"info": {"view": True}}  # noqa: RUF012 - as SQLAlchemy asks for it


class Outcome(Base):
    """What became of a decision. ``due_at`` is when it is next joined to its events."""

    __tablename__ = "telemetry_outcome"
    __table_args__ = (
        Index("ix_telemetry_outcome_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )

    tenant_id: Mapped[tenant_pk]
    decision_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[float | None]
    reward: Mapped[float | None]
    cost: Mapped[float | None]
    revision: Mapped[int] = mapped_column(server_default=text("0"))
    at: Mapped[datetime]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    due_at: Mapped[datetime | None] = mapped_column(server_default=func.now())


class OutcomeHistory(Base):
    """What an outcome said before it was corrected. Rows are appended, never updated."""

    __tablename__ = "telemetry_outcome_history"

    tenant_id: Mapped[tenant_pk]
    decision_id: Mapped[UUID] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[float | None]
    reward: Mapped[float | None]
    cost: Mapped[float | None]
    at: Mapped[datetime]
    received_at: Mapped[datetime]


class Delta(Base):
    """An append-only addition to a series' hourly profiles, awaiting the worker."""

    __tablename__ = "telemetry_delta"
    __table_args__ = (Index("ix_telemetry_delta_series_id", "tenant_id", "series_id"),)

    tenant_id: Mapped[tenant_pk]
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    series_id: Mapped[UUID]
    kind: Mapped[ProfileKind]
    hour: Mapped[int]
    """Hours since 1970."""
    n: Mapped[int]
    payload: Mapped[bytes] = mapped_column(LargeBinary)


class HourProfile(Base):
    """One hour of one series."""

    __tablename__ = "telemetry_hour"

    tenant_id: Mapped[tenant_pk]
    series_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[ProfileKind] = mapped_column(primary_key=True)
    hour: Mapped[int] = mapped_column(primary_key=True)
    n: Mapped[int]
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    folded_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Retention(Vouched, Base):
    """How long a tenant's raw events and receipts are kept, from one change to the next. Appended.

    ``None`` is for good.
    """

    __tablename__ = "telemetry_retention"
    __vouched__ = ("raw_days", "receipt_days", "author_id", "at")

    tenant_id: Mapped[tenant_pk]
    revision: Mapped[int] = mapped_column(primary_key=True)
    raw_days: Mapped[int | None]
    receipt_days: Mapped[int | None]
    author_id: Mapped[UUID]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class Horizon(Base):
    """How far back a tenant's receipts are still there, and it only goes forward.

    Events decided ``before`` are refused since ``announced_at``; receipts of decisions before
    ``settled`` may be deleted, for by now every process refuses their events.
    """

    __tablename__ = "telemetry_horizon"

    tenant_id: Mapped[tenant_pk]
    before: Mapped[datetime]
    settled: Mapped[datetime | None]
    announced_at: Mapped[datetime]


class Erasure(Base):
    """A subject that was erased: what was decided about it before is not taken any more.

    Once every process has heard of it all is looked through once more, and then it is ``swept``.
    """

    __tablename__ = "telemetry_erasure"

    tenant_id: Mapped[tenant_pk]
    pseudonym: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    swept: Mapped[bool] = mapped_column(server_default=text("false"))


class Unknown(Base):
    """How often features came on a day that the version's signature does not name.

    Rows are appended with their events; the worker folds them into one a name.
    """

    __tablename__ = "telemetry_unknown"
    __table_args__ = (
        Index("ix_telemetry_unknown_version", "tenant_id", "version_id", "day"),
        Index(
            "ix_telemetry_unknown_unfolded", "tenant_id", "version_id", "day",
            postgresql_where=text("NOT folded"),
        ),
    )  # fmt: skip

    tenant_id: Mapped[tenant_pk]
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    version_id: Mapped[UUID]
    day: Mapped[date]
    name: Mapped[str]
    n: Mapped[int]
    folded: Mapped[bool] = mapped_column(default=False, server_default=text("false"))


class GivenProfile(Base):
    """A profile that somebody counted elsewhere, once: his own name for it, and who he is."""

    __tablename__ = "telemetry_given"

    tenant_id: Mapped[tenant_pk]
    id: Mapped[UUID] = mapped_column(primary_key=True)
    series_id: Mapped[UUID]
    digest: Mapped[str]
    """Of the body it came in: another one under the same name is refused."""
    hours: Mapped[int] = mapped_column(Integer)
    rows: Mapped[int]
    sender_id: Mapped[UUID]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
