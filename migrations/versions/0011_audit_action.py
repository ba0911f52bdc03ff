"""The log by action: who asks for one kind of act does not read all of them."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_audit_entry_action", "audit_entry", ["tenant_id", "action", "at"])


def downgrade() -> None:
    op.drop_index("ix_audit_entry_action", "audit_entry")
