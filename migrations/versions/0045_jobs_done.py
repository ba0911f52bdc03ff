"""The rota says when each job was last done, and how often it failed: a watch may die unseen.

A worker of the release before writes neither; what it does looks as if nobody did it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("platform_rota", sa.Column("seconds", sa.Double(), nullable=True))
    op.add_column("platform_rota", sa.Column("done_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "platform_rota",
        sa.Column("failures", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )


def downgrade() -> None:
    for column in ("failures", "done_at", "seconds"):
        op.drop_column("platform_rota", column)
