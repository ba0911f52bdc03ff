"""When an hour was folded last is known, and from which hour on something else was said of it."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    now = sa.text("now()")
    op.add_column(
        "telemetry_hour",
        sa.Column("folded_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
    )
    op.add_column("telemetry_series", sa.Column("retold_hour", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("telemetry_series", "retold_hour")
    op.drop_column("telemetry_hour", "folded_at")
