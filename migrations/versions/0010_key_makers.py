"""Key makers: a key knows the key it was made with, and ends with it.

Keys of before, and those that the previous release makes meanwhile, know none and end alone.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("identity_key", sa.Column("maker_key_id", sa.Uuid(), nullable=True))
    op.create_index("ix_identity_key_maker_key_id", "identity_key", ["tenant_id", "maker_key_id"])


def downgrade() -> None:
    op.drop_index("ix_identity_key_maker_key_id", "identity_key")
    op.drop_column("identity_key", "maker_key_id")
