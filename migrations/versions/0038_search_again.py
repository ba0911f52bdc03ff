"""Versions are searched by more than they were: the worker writes their search rows anew."""

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("UPDATE catalog_version SET searched = NULL WHERE searched")


def downgrade() -> None:
    pass
