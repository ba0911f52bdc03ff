"""Outcomes say what a decision cost, and may be corrected; what they said before is kept.

The previous release writes neither, and reads only what stands.
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_TABLE = "telemetry_outcome_history"


def upgrade() -> None:
    op.add_column("telemetry_outcome", sa.Column("cost", sa.Double(), nullable=True))
    op.add_column(
        "telemetry_outcome",
        sa.Column("revision", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    op.add_column(
        "telemetry_receipt",
        sa.Column("outcome_revision", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    op.create_table(
        _TABLE,
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("label", sa.Double(), nullable=True),
        sa.Column("reward", sa.Double(), nullable=True),
        sa.Column("cost", sa.Double(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "decision_id", "revision", name=op.f(f"pk_{_TABLE}")),
    )
    op.execute(f"SELECT modelward_guard('{_TABLE}')")
    op.execute(f"REVOKE UPDATE ON {_TABLE} FROM modelward_app, modelward_server")


def downgrade() -> None:
    op.drop_table(_TABLE)
    op.drop_column("telemetry_receipt", "outcome_revision")
    op.drop_column("telemetry_outcome", "revision")
    op.drop_column("telemetry_outcome", "cost")
