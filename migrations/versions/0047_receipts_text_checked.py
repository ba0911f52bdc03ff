"""Receipts are looked through for the constraint of the last migration, beside what goes on."""

from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE telemetry_receipt_stored"
        " VALIDATE CONSTRAINT ck_telemetry_receipt_stored_own_tenant"
    )


def downgrade() -> None:
    pass
