from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.audit import Vouched
from app.kpi.rules import Aggregate, Direction, Formula
from app.platform.db import Base, Json, tenant_pk, uuid_pk


class Definition(Vouched, Base):
    """A business KPI as it was agreed for a decision point."""

    __tablename__ = "kpi_definition"
    __vouched__ = (
        "point_id", "key", "name", "formula", "direction", "threshold", "tolerance", "unit",
    )  # fmt: skip
    __since__ = "created_at"
    __table_args__ = (UniqueConstraint("tenant_id", "point_id", "key"),)

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    point_id: Mapped[UUID]
    key: Mapped[str]
    name: Mapped[str]
    formula: Mapped[Formula]
    direction: Mapped[Direction]
    threshold: Mapped[float]
    tolerance: Mapped[float]
    unit: Mapped[str]
    revision: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Terms(Vouched, Base):
    """What else was agreed about a KPI: prices of answers, what pushed values come to, a target."""

    __tablename__ = "kpi_terms"
    __vouched__ = ("prices", "aggregate", "target", "currency")
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "definition_id"], ["kpi_definition.tenant_id", "kpi_definition.id"]
        ),
    )

    tenant_id: Mapped[tenant_pk]
    definition_id: Mapped[UUID] = mapped_column(primary_key=True)
    prices: Mapped[Json | None]
    aggregate: Mapped[Aggregate]
    target: Mapped[float | None]
    currency: Mapped[str | None]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


NOBODY = UUID(int=0)
"""Whose a value is that is the whole point's."""


class Value(Base):
    """A KPI's value as a business system reported it. Rows are appended, never updated.

    Of the revisions of one value the highest stands. ``version_id`` is nobody's where the value is
    the whole point's.
    """

    __tablename__ = "kpi_value"

    tenant_id: Mapped[tenant_pk]
    point_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    segment: Mapped[str] = mapped_column(primary_key=True)
    version_id: Mapped[UUID] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True, server_default=text("0"))
    life: Mapped[int] = mapped_column(primary_key=True, server_default=text("0"))
    """Of which KPI that had the key: the last revision of the one before it, or 0."""
    value: Mapped[float | None]
    """Nothing where what was said is taken back."""
    person_id: Mapped[UUID | None]
    """Who reported it; not known of those from before that was kept."""
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Late(Base):
    """Hours that values were reported of and that no window has been looked at for since."""

    __tablename__ = "kpi_late"
    __table_args__ = (Index("ix_kpi_late_point_id", "tenant_id", "point_id"),)

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    point_id: Mapped[UUID]
    version_id: Mapped[UUID]
    hour: Mapped[int] = mapped_column(BigInteger)
    """Since 1970."""


class Author(Vouched, Base):
    """Somebody whose word a KPI is as it stands: who set it so, and who agreed to the very same.

    Of one that was agreed upon long ago nobody's is known.
    """

    __tablename__ = "kpi_author"
    __vouched__ = ("at",)
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "definition_id"], ["kpi_definition.tenant_id", "kpi_definition.id"]
        ),
    )

    tenant_id: Mapped[tenant_pk]
    definition_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Ended(Vouched, Base):
    """A KPI, or a scope of them, that was agreed on once. Rows are appended, never updated."""

    __tablename__ = "kpi_ended"
    __vouched__ = ("place_id", "key", "revision", "said", "at")
    __table_args__ = (Index("ix_kpi_ended_place_id", "tenant_id", "place_id", "key"),)

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    """That it had."""
    place_id: Mapped[UUID]
    """Whose it was: a decision point's, or a scope's; a scope is nobody's."""
    key: Mapped[str]
    revision: Mapped[int]
    """The last that it had."""
    said: Mapped[Json]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
