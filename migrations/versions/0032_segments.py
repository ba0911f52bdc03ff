"""Series divide by features that contracts name; receipts say in which parts an event counts.

In a table of their own, and not among the series: the previous release adds up all series of a
version, and finds them by a key that must stay unique. It writes no parts, folds none, and says
nothing of them in windows.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_TABLE = "telemetry_segment"
_OF_WINDOWS = ("segments", "fairness")


def upgrade() -> None:
    op.create_table(
        _TABLE,
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("series_id", sa.Uuid(), nullable=False),
        sa.Column("variable", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("place", sa.SmallInteger(), nullable=False),
        sa.Column("events", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("first_hour", sa.DateTime(timezone=True), nullable=True),
        sa.Column("through", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "place BETWEEN 0 AND 20", name=op.f("ck_telemetry_segment_bounded")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f(f"pk_{_TABLE}")),
        sa.UniqueConstraint(
            "tenant_id", "series_id", "variable", "value",
            name=op.f(f"uq_{_TABLE}_tenant_id_series_id_variable_value"),
        ),
        sa.UniqueConstraint(
            "tenant_id", "series_id", "variable", "place",
            name=op.f(f"uq_{_TABLE}_tenant_id_series_id_variable_place"),
        ),
    )  # fmt: skip
    op.execute(f"SELECT modelward_guard('{_TABLE}')")
    op.add_column(
        "telemetry_receipt",
        sa.Column("segment_ids", postgresql.ARRAY(sa.Uuid()), nullable=True),
    )
    for name in _OF_WINDOWS:
        op.add_column(
            "drift_window",
            sa.Column(
                name,
                postgresql.JSONB(astext_type=sa.Text()),
                server_default=sa.text("'[]'"),
                nullable=False,
            ),
        )


def downgrade() -> None:
    for name in _OF_WINDOWS[::-1]:
        op.drop_column("drift_window", name)
    op.drop_column("telemetry_receipt", "segment_ids")
    op.drop_table(_TABLE)
