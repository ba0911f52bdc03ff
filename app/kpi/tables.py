from datetime import datetime
from uuid import UUID

from sqlalchemy import UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from app.audit import Vouched
from app.kpi.rules import Direction, Formula
from app.platform.db import Base, tenant_pk, uuid_pk


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
