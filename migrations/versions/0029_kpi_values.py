"""KPIs have prices, targets and values that are pushed.

The previous release knows of none of them, and measures what it did.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_JSON = postgresql.JSONB(astext_type=sa.Text())


def upgrade() -> None:
    op.create_table(
        "kpi_terms",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("definition_id", sa.Uuid(), nullable=False),
        sa.Column("prices", _JSON, nullable=True),
        sa.Column("aggregate", sa.String(length=40), nullable=False),
        sa.Column("target", sa.Double(), nullable=True),
        sa.Column("currency", sa.String(), nullable=True),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "definition_id"],
            ["kpi_definition.tenant_id", "kpi_definition.id"],
            name=op.f("fk_kpi_terms_tenant_id_kpi_definition"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "definition_id", name=op.f("pk_kpi_terms")),
    )
    op.create_table(
        "kpi_value",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("segment", sa.String(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column(
            "received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "point_id", "key", "at", "segment", "version_id", "revision",
            name=op.f("pk_kpi_value"),
        ),
    )  # fmt: skip
    for table in ("kpi_terms", "kpi_value"):
        op.execute(f"SELECT modelward_guard('{table}')")
    op.execute("REVOKE UPDATE, DELETE ON kpi_value FROM modelward_app, modelward_server")


def downgrade() -> None:
    op.drop_table("kpi_value")
    op.drop_table("kpi_terms")
