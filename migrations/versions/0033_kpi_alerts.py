"""Windows judge agreed KPIs; who hears of which alerts is chosen; guardrails speak anew of alerts.

The previous release judges no KPI, tells every receiver of every alert, and speaks once.
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_ONCE = ["tenant_id", "seat_id", "guardrail", "revision", "failed"]
_JSON = postgresql.JSONB(astext_type=sa.Text())


def _at() -> "sa.Column[datetime]":
    return sa.Column(
        "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"),
        nullable=False,
    )  # fmt: skip


def upgrade() -> None:
    op.add_column(
        "drift_window",
        sa.Column(
            "kpis",
            _JSON,
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
    )
    op.create_table(
        "kpi_late",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_kpi_late")),
    )
    op.create_index("ix_kpi_late_point_id", "kpi_late", ["tenant_id", "point_id"])
    op.create_table(
        "drift_hearing",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("hearers", _JSON, nullable=False),
        _at(),
        sa.ForeignKeyConstraint(
            ["tenant_id", "point_id"],
            ["catalog_decision_point.tenant_id", "catalog_decision_point.id"],
            name=op.f("fk_drift_hearing_tenant_id_catalog_decision_point"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "point_id", name=op.f("pk_drift_hearing")),
    )
    op.create_table(
        "notifications_listening",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("webhook_id", sa.Uuid(), nullable=False),
        sa.Column("alerts", _JSON, nullable=False),
        _at(),
        sa.PrimaryKeyConstraint("tenant_id", "webhook_id", name=op.f("pk_notifications_listening")),
    )
    for table in ("kpi_late", "drift_hearing", "notifications_listening"):
        op.execute(f"SELECT modelward_guard('{table}')")
    op.add_column(
        "activation_breach",
        sa.Column("occasion", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
    )
    op.drop_constraint("uq_activation_breach_once", "activation_breach", type_="unique")
    op.create_unique_constraint(
        "uq_activation_breach_once", "activation_breach", [*_ONCE, "occasion"]
    )


def downgrade() -> None:
    # Where a guardrail has spoken twice of a seat this fails: what is vouched for is not deleted.
    op.drop_constraint("uq_activation_breach_once", "activation_breach", type_="unique")
    op.create_unique_constraint("uq_activation_breach_once", "activation_breach", _ONCE)
    op.drop_column("activation_breach", "occasion")
    for table in ("notifications_listening", "drift_hearing", "kpi_late"):
        op.drop_table(table)
    op.drop_column("drift_window", "kpis")
