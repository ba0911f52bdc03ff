"""Whose a receipt is, is compared as text: who writes thousands reads the setting once a row.

To make a UUID of the setting took a sixth of what a receipt costs. Text that is spelt in another
way is no tenant's, and refused.
"""

from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

_OWN = """
ALTER TABLE telemetry_receipt_stored ADD CONSTRAINT ck_telemetry_receipt_stored_own_tenant CHECK (
    coalesce(
        {tenant} = nullif(current_setting('modelward.tenant', true), ''){cast},
        current_user <> 'modelward_app')
) NOT VALID
"""


def upgrade() -> None:
    op.drop_constraint("own_tenant", "telemetry_receipt_stored", type_="check")
    op.execute(_OWN.format(tenant="tenant_id::text", cast=""))


def downgrade() -> None:
    op.drop_constraint("own_tenant", "telemetry_receipt_stored", type_="check")
    op.execute(_OWN.format(tenant="tenant_id", cast="::uuid"))
