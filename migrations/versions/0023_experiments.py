"""Experiments have an id each, and what they had come to when they ended.

Of those that run already a worker enters them.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_TABLE = "routing_experiment"
_JSON = postgresql.JSONB(astext_type=sa.Text())


def upgrade() -> None:
    op.create_table(
        _TABLE,
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("segment", sa.String(), nullable=False),
        sa.Column("strategy", sa.String(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_revision", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_revision", sa.BigInteger(), nullable=True),
        sa.Column("report", _JSON, nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "point_id"],
            ["catalog_decision_point.tenant_id", "catalog_decision_point.id"],
            name=op.f(f"fk_{_TABLE}_tenant_id_point_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f(f"pk_{_TABLE}")),
    )
    op.create_index(
        "uq_routing_experiment_one_running",
        _TABLE,
        ["tenant_id", "point_id", "segment"],
        unique=True,
        postgresql_where=sa.text("until IS NULL"),
    )
    op.create_index("ix_routing_experiment_since", _TABLE, ["tenant_id", "since", "id"])
    op.create_index("ix_routing_experiment_point", _TABLE, ["tenant_id", "point_id", "since", "id"])
    op.create_index(
        "ix_routing_experiment_unreported",
        _TABLE,
        ["until"],
        postgresql_where=sa.text("until IS NOT NULL AND report IS NULL"),
    )
    op.execute(f"SELECT modelward_guard('{_TABLE}')")
    op.execute(f"REVOKE UPDATE, DELETE ON {_TABLE} FROM modelward_app, modelward_server")
    op.execute(
        f"GRANT UPDATE (until, last_revision, report) ON {_TABLE}"
        " TO modelward_app, modelward_server"
    )


def downgrade() -> None:
    op.drop_table(_TABLE)
