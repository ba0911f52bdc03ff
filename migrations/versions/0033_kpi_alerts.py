"""Windows judge agreed KPIs; hours that KPI values were reported of are noticed.

The previous release writes neither, and raises no alert of a KPI.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0033"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "drift_window",
        sa.Column(
            "kpis",
            postgresql.JSONB(astext_type=sa.Text()),
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
    op.execute("SELECT modelward_guard('kpi_late')")


def downgrade() -> None:
    op.drop_table("kpi_late")
    op.drop_column("drift_window", "kpis")
