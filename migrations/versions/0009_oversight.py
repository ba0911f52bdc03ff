"""Oversight: who makes deciders needs somebody's agreement."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Where somebody could have agreed, the administrator no longer appoints alone.
_FOUNDED = """
UPDATE identity_tenant t SET founded_at = now() WHERE EXISTS (
    SELECT FROM identity_principal p
    WHERE p.tenant_id = t.id AND p.kind = 'person' AND p.roles ?| ARRAY['committee', 'validator']
)
"""


def upgrade() -> None:
    op.add_column(
        "identity_tenant", sa.Column("founded_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("identity_principal", sa.Column("change_id", sa.Uuid(), nullable=True))
    op.execute(_FOUNDED)


def downgrade() -> None:
    op.drop_column("identity_principal", "change_id")
    op.drop_column("identity_tenant", "founded_at")
