"""Profiles that others have counted are taken once each, by the sender's own name for them."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_TABLE = "telemetry_given"


def upgrade() -> None:
    op.create_table(
        _TABLE,
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("series_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("hours", sa.Integer(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("sender_id", sa.Uuid(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f(f"pk_{_TABLE}")),
    )
    op.execute(f"SELECT modelward_guard('{_TABLE}')")
    op.execute(f"REVOKE UPDATE, DELETE ON {_TABLE} FROM modelward_app, modelward_server")


def downgrade() -> None:
    op.drop_table(_TABLE)
