"""What was agreed on once is known by its id; what was looked at last says against what.

The release before keeps none of it, and reads what it knew.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

_JSON = postgresql.JSONB(astext_type=sa.Text())


def upgrade() -> None:
    op.create_table(
        "kpi_ended",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("place_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("said", _JSON, nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_kpi_ended")),
    )
    op.create_index("ix_kpi_ended_place_id", "kpi_ended", ["tenant_id", "place_id", "key"])
    op.execute("SELECT modelward_guard('kpi_ended')")
    op.execute("REVOKE UPDATE, DELETE ON kpi_ended FROM modelward_app, modelward_server")
    for column in _of_looks():
        op.add_column("kpi_scope_look", column)
    op.add_column("kpi_scope_standing", sa.Column("scope_revision", sa.BigInteger(), nullable=True))
    op.add_column("kpi_scope_standing", sa.Column("points", _JSON, nullable=True))
    for table, own in _VALUES.items():
        op.add_column(
            table, sa.Column("life", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
        )
        op.alter_column(table, "value", existing_type=sa.Double(), nullable=True)
        _key_of(table, [*own, "life"])


_VALUES = {
    "kpi_value": ["tenant_id", "point_id", "key", "at", "segment", "version_id", "revision"],
    "kpi_scope_value": ["tenant_id", "scope_id", "key", "at", "segment", "revision"],
}


def _key_of(table: str, columns: list[str]) -> None:
    op.drop_constraint(f"pk_{table}", table, type_="primary")
    op.create_primary_key(f"pk_{table}", table, columns)


def _of_looks() -> list[sa.Column[Any]]:
    return [
        sa.Column("known", sa.String(length=40), nullable=True),
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("silent", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=True),
        sa.Column("target", sa.Double(), nullable=True),
    ]


def downgrade() -> None:
    for table, own in _VALUES.items():
        op.execute(f"DELETE FROM {table} WHERE life > 0 OR value IS NULL")  # noqa: S608
        _key_of(table, own)
        op.alter_column(table, "value", existing_type=sa.Double(), nullable=False)
        op.drop_column(table, "life")
    for column in _of_looks():
        op.drop_column("kpi_scope_look", column.name)
    for name in ("scope_revision", "points"):
        op.drop_column("kpi_scope_standing", name)
    op.drop_table("kpi_ended")
