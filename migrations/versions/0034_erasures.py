"""Subjects that were erased are remembered, so that their late events are not taken."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

# Only the tenant's own, and only what was decided before: who comes back is a customer again.
_SWEEP = """
CREATE FUNCTION telemetry_sweep_erased(before timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    own uuid := nullif(current_setting('modelward.tenant', true), '')::uuid;
    gone bigint;
BEGIN
    DELETE FROM telemetry_event e USING telemetry_erasure x
    WHERE e.tenant_id = own AND x.tenant_id = own AND e.unit = x.pseudonym
        AND NOT x.swept AND x.at < before AND e.decided_at <= x.at;
    GET DIAGNOSTICS gone = ROW_COUNT;
    UPDATE telemetry_erasure SET swept = true
    WHERE tenant_id = own AND NOT swept AND at < before;
    RETURN gone;
END $$
"""
_SIGNATURE = "telemetry_sweep_erased(timestamptz)"


def upgrade() -> None:
    op.create_table(
        "telemetry_erasure",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("pseudonym", sa.LargeBinary(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("swept", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "pseudonym", name=op.f("pk_telemetry_erasure")),
    )
    op.execute("SELECT modelward_guard('telemetry_erasure')")
    op.execute(_SWEEP)
    op.execute(f"REVOKE ALL ON FUNCTION {_SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {_SIGNATURE} TO modelward_app")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {_SIGNATURE}")
    op.drop_table("telemetry_erasure")
