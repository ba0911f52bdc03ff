"""Every table of the house, for Alembic and for tests."""

from app.activation import guardrail_tables as guardrails
from app.activation import tables as activation
from app.audit import tables as audit
from app.catalog import tables as catalog
from app.drift import alert_tables as alerts
from app.drift import tables as drift
from app.gates import tables as gates
from app.identity import tables as identity
from app.kpi import tables as kpi
from app.kpi.scopes import tables as kpi_scopes
from app.notifications import tables as notifications
from app.platform.db import Base
from app.platform.http import idempotency
from app.release import tables as release
from app.revalidation import tables as revalidation
from app.routing import tables as routing
from app.telemetry import tables as telemetry

MODULES = (
    activation, alerts, audit, catalog, drift, gates, guardrails, idempotency, identity, kpi,
    kpi_scopes, notifications, release, revalidation, routing, telemetry,
)  # fmt: skip
metadata = Base.metadata

__all__ = ["MODULES", "Base", "metadata"]
