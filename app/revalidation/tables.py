from datetime import datetime
from uuid import UUID

from sqlalchemy import UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from app.audit import Vouched
from app.gates import WayOut
from app.platform.db import Base, tenant_pk, uuid_pk


class Review(Vouched, Base):
    """One continuous KPI validation of a version in its seat. Rows are appended."""

    __tablename__ = "revalidation_review"
    __vouched__ = ("point_id", "version_id", "case_id", "verdict_id", "path", "until", "at")
    __table_args__ = (UniqueConstraint("tenant_id", "point_id", "version_id", "until"),)

    tenant_id: Mapped[tenant_pk]
    id: Mapped[uuid_pk]
    point_id: Mapped[UUID]
    version_id: Mapped[UUID]
    case_id: Mapped[UUID]
    verdict_id: Mapped[UUID]
    path: Mapped[WayOut | None]
    until: Mapped[datetime]
    """End of the newest window it looked at."""
    at: Mapped[datetime] = mapped_column(server_default=func.now())
