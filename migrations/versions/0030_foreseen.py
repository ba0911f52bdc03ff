"""Windows say what metrics are expected to be, and when errors changed.

The previous release writes neither.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("estimated", "concept"):
        op.add_column(
            "drift_window",
            sa.Column(
                name,
                postgresql.JSONB(astext_type=sa.Text()),
                server_default=sa.text("'[]'"),
                nullable=False,
            ),
        )


def downgrade() -> None:
    for name in ("concept", "estimated"):
        op.drop_column("drift_window", name)
