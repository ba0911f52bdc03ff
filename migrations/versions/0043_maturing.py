"""A window says until when it waits for its labels.

The previous release judges what labels there are, and leaves this empty.
"""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "drift_window", sa.Column("matures_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.create_index(
        "ix_drift_window_matures_at",
        "drift_window",
        ["tenant_id", "point_id", "version_id", "until"],
        postgresql_where=sa.text("matures_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_drift_window_matures_at", "drift_window")
    op.drop_column("drift_window", "matures_at")
