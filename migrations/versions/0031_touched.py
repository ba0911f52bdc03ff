"""Series say from which hour on they changed since they were last looked at; windows by what.

The previous release writes neither, and looks at its newest windows again.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("telemetry_series", sa.Column("touched_hour", sa.BigInteger(), nullable=True))
    op.add_column(
        "drift_window",
        sa.Column(
            "basis",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )


def downgrade() -> None:
    op.drop_column("drift_window", "basis")
    op.drop_column("telemetry_series", "touched_hour")
