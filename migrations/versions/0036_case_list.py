"""Cases are listed by when they were opened."""

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_gates_case_opened_at", "gates_case", ["tenant_id", "opened_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_gates_case_opened_at", "gates_case")
