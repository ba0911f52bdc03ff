"""Who agreed on a KPI as it stands, and who reports its values, is remembered."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kpi_author",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("definition_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "definition_id", "person_id", name=op.f("pk_kpi_author")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "definition_id"],
            ["kpi_definition.tenant_id", "kpi_definition.id"],
            name=op.f("fk_kpi_author_tenant_id_kpi_definition"),
        ),
    )
    op.execute("SELECT modelward_guard('kpi_author')")
    op.add_column("kpi_value", sa.Column("person_id", sa.Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("kpi_value", "person_id")
    op.drop_table("kpi_author")
