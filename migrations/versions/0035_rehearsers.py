"""Who rehearsed for a release is remembered."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

_KEY = ("tenant_id", "point_id", "version_id", "arm", "person_id")


def upgrade() -> None:
    op.create_table(
        "telemetry_rehearser",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("arm", sa.String(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint(*_KEY, name=op.f("pk_telemetry_rehearser")),
    )
    op.execute("SELECT modelward_guard('telemetry_rehearser')")


def downgrade() -> None:
    op.drop_table("telemetry_rehearser")
